"""`python -m drivers NAME [--home DIR]`: run the driver of one device, or of a bus with all its devices."""

import sys

from effectd.program import process


def main(this: process.Process) -> int:
    from drivers import kinds

    driver = kinds.build(this.name, this.config)  # a wrong section ends the program here, before anything is switched

    from drivers.host import Host
    from effectd.base.loop import Loop

    loop = Loop()
    host = Host(this, loop, driver)
    this.serve(loop, host.stop)
    loop.run_forever()
    return host.exit_code


if __name__ == "__main__":
    arguments = process.command_line(
        "Drive one device or bus: execute effects within the limits, and switch off again.", device=True
    )
    sys.exit(process.run(arguments.device, main, home=arguments.home))
