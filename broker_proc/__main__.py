"""`python -m broker_proc [--home DIR]`: run the embedded broker, or monitor the external one."""

import sys

from effectd.program import process


def main(this: process.Process) -> None:
    # heavy imports wait until the gate is open: asyncio for the embedded broker, paho for an external one
    if this.config.broker.embedded:
        from broker_proc.embedded import serve
    else:
        from broker_proc.external import serve
    serve(this)


if __name__ == "__main__":
    arguments = process.command_line("The MQTT broker of this home, or the monitor of an external one.")
    sys.exit(process.run("broker", main, home=arguments.home, dies_at_once=True))
