"""`python -m broker_proc [--home DIR]`: run the embedded broker, or watch the external one."""

import sys

from effectd.program import process


def main(this: process.Process) -> None:
    # what is heavy comes after the gate is open: amqtt and asyncio with the one, paho with the other
    if this.config.broker.embedded:
        from broker_proc.embedded import serve
    else:
        from broker_proc.external import serve
    serve(this)


if __name__ == "__main__":
    arguments = process.command_line("The MQTT broker of this home, or the watch over an external one.")
    sys.exit(process.run("broker", main, home=arguments.home, dies_at_once=True))
