"""`python -m dispatcher_proc [--home DIR]`: run the dispatcher."""

import signal
import sys

from effectd.program import process


def main(this: process.Process) -> None:
    from dispatcher_proc.dispatcher import Dispatcher  # paho comes with it: after the gate is open
    from effectd.base.loop import Loop

    loop = Loop()
    dispatcher = Dispatcher(this, loop)
    dispatcher.start()
    this.serve(loop, dispatcher.stop)
    loop.add_signal_handler(signal.SIGHUP, dispatcher.reload)
    if this.hung_up:
        loop.call_soon(dispatcher.reload)
    loop.run_forever()


if __name__ == "__main__":
    arguments = process.command_line(
        "Accept effects by MQTT, have the devices' drivers execute them, report the outcome of each."
    )
    sys.exit(process.run("dispatcher", main, home=arguments.home, dies_at_once=True))
