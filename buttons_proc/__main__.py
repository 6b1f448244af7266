"""`python -m buttons_proc [--home DIR]`: watch the buttons and contacts of this home, and hold when one is pressed."""

import sys

from effectd.program import process


def main(this: process.Process) -> None:
    from buttons_proc import pins

    pins.check(this.config)  # without gpiozero nothing can be watched: fail before anything waits for this program

    from buttons_proc.buttons import Buttons
    from effectd.base.loop import Loop

    loop = Loop()
    buttons = Buttons(this, loop)
    this.serve(loop, buttons.stop)
    loop.run_forever()
    buttons.close()


if __name__ == "__main__":
    arguments = process.command_line("Hold devices while, or once, a button or contact is pressed.")
    sys.exit(process.run("buttons", main, home=arguments.home))
