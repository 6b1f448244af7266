"""Runs the mended broker alone on 127.0.0.1 until SIGTERM."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from amqtt.contexts import Action
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session

from broker_proc.mended import MendedBroker


class Guard(BaseTopicPlugin):
    """`secret/#` is for the user `trusted`; each answer takes a while, as that of a database does."""

    async def topic_filtering(self, *, session: Session, topic: str, action: Action) -> bool:  # noqa: ARG002
        await asyncio.sleep(0)
        return session.username == "trusted" or not topic.startswith("secret/")


async def main(options: argparse.Namespace) -> None:
    listeners = {
        "default": {
            "type": "tcp",
            "bind": f"127.0.0.1:{options.port}",
            "max_connections": options.max_connections,
        },
        "web": {"type": "ws", "bind": f"127.0.0.1:{options.web_port}"},
    }
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": not options.named}}
    if options.guarded:
        plugins["serve.Guard"] = {}
    broker = MendedBroker({"listeners": listeners, "plugins": plugins}, unretained=("effects/#",))
    await broker.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--web-port", type=int, required=True)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--connect-within", type=float, default=MendedBroker.CONNECT_WITHIN)
    parser.add_argument("--max-connections", type=int, default=0)
    parser.add_argument("--named", action="store_true", help="serve only clients with a user name")
    parser.add_argument("--guarded", action="store_true", help="secret/# is for the user `trusted`")
    options = parser.parse_args()
    MendedBroker.CONNECT_WITHIN = options.connect_within
    loop_factory = None
    if options.loop == "uvloop":
        from uvloop import new_event_loop as loop_factory
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main(options))
