"""Runs the embedded broker alone on 127.0.0.1 until SIGTERM."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from broker_proc.broker import CONNECT_WITHIN_S, Broker
from broker_proc.listeners import SocketFile, listen_tcp, listen_web
from effectd.config.address import Address
from effectd.config.schema import BrokerLimits, WebSocket


async def main(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    plugins = None
    if options.plugins:
        from broker_proc.plugins import Plugins

        plugins = Plugins(options.plugins)
    broker = Broker(
        loop,
        msgspec.convert(options.limits, BrokerLimits),
        own=options.own,
        unretained=("effects/#",),
        plugins=plugins,
        sys_interval_s=options.sys_interval,
        connect_within=options.connect_within,
    )
    if plugins:
        await plugins.start(broker)
    servers = []
    if options.web_port:
        web = WebSocket("127.0.0.1", options.web_port, origins=("https://good.example",))
        servers.append(await listen_web(broker, web, None))
    servers.append(await listen_tcp(broker, Address("127.0.0.1", options.port), None))
    socket_file = SocketFile(broker, options.socket) if options.socket else None
    if socket_file:
        await socket_file.start()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    for server in servers:
        server.close()
    if socket_file:
        socket_file.close()
    await broker.stop()
    if plugins:
        await plugins.stop()


def loop_factory(which: str) -> Callable[[], Any] | None:
    if which == "asyncio":
        return None
    from uvloop import new_event_loop

    return new_event_loop


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--web-port", type=int, default=0)
    parser.add_argument("--socket", type=Path)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--own", default="effectd-")
    parser.add_argument("--connect-within", type=float, default=CONNECT_WITHIN_S)
    parser.add_argument("--limits", type=json.loads, default={}, help="broker.limits as JSON")
    parser.add_argument("--plugins", type=json.loads, default={}, help="broker.plugins as JSON")
    parser.add_argument("--sys-interval", type=float, default=10.0)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory(given.loop)) as runner:
        runner.run(main(given))
