"""The embedded broker: configuration -> amqtt -> ready when it has answered its own CONNECT and SUBSCRIBE."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time

from broker_proc import homes
from broker_proc.mended import MendedBroker
from broker_proc.port import who_holds
from effectd.errors import ConfigError
from effectd.link import Link
from effectd.process import Process

RETRY_S = 0.5  # a port that becomes free, or an address that comes, tells nobody
HOLDER_S = 5.0  # who holds a port costs a look at every process
SICK_S = 10.0  # this long without an answer to itself, and a fresh start is the better broker

log = logging.getLogger(__name__)


def serve(process: Process) -> None:
    """Run until SIGTERM. uvloop where it is installed: x1.1 to x1.25 (docs/measured.md)."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(process))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import Loop
    except ImportError:
        return None
    return Loop


async def _serve(process: Process) -> None:
    # amqtt says two lines a connection at info; what matters of it is a warning
    logging.getLogger("amqtt").setLevel(logging.WARNING)
    logging.getLogger("transitions").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    process.serve(loop, stopping.set)
    if process.wait_s:
        process.gate.say("waiting", f"crash-loop: it starts again after {process.wait_s:g} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), process.wait_s)
    broker = await _listen(process, stopping)
    if broker is None:
        return
    probe = Probe(process, loop, stopping)
    await stopping.wait()
    process.gate.say("stopping")
    probe.link.close()
    await broker.shutdown()


async def _listen(process: Process, stopping: asyncio.Event) -> MendedBroker | None:
    """A started broker; waits, saying what is in the way, while it cannot listen. None: asked to stop meanwhile."""
    host, port = process.config.broker.host, process.config.broker.port
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}},
        # no logging and no $SYS plugin: x1.7 (docs/measured.md)
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    holder, asked = "", -HOLDER_S
    while not stopping.is_set():
        try:
            await _try_port(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE or "address already in use" in str(error):
                if time.monotonic() - asked >= HOLDER_S:
                    holder, asked = await asyncio.to_thread(who_holds, port), time.monotonic()
                process.gate.say("waiting", f"port {port} of {host} is held by {holder}")
            elif error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
                process.gate.say("waiting", f"the address {host} is not on this machine yet")
            else:
                raise ConfigError(
                    process.home / "config.yaml",
                    process.config.file.line("broker", "host"),
                    "broker.host",
                    f"cannot listen on {host}:{port}: {error.strerror or error}",
                ) from None
        else:
            broker = MendedBroker(settings, unretained=process.config.topics.unretained)
            await broker.start()
            return broker
        try:
            await asyncio.wait_for(stopping.wait(), RETRY_S)
        except TimeoutError:
            continue
    return None


async def _try_port(host: str, port: int) -> None:
    """Raises OSError where nobody can listen there: taken, no such address (yet), not allowed."""
    server = await asyncio.start_server(lambda _r, w: w.close(), host, port, reuse_address=True)
    server.close()
    await server.wait_closed()


class Probe:
    """The broker's own client: its gate says ready while this one is connected, subscribed and answered."""

    def __init__(self, process: Process, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
        self._process, self._gate, self._loop, self._stopping = process, process.gate, loop, stopping
        self._giving_up: asyncio.TimerHandle | None = None
        self.link = Link(
            loop,
            process.config.broker.address,
            process.config.client_id("broker"),
            subscriptions=(process.config.topics.system("broker-probe"),),
            on_message=lambda *_: None,
            on_up=self._up,
            on_down=self._down,
        )
        self._giving_up = loop.call_later(SICK_S, self._give_up)
        self.link.open()

    def _up(self) -> None:
        if self._giving_up:
            self._giving_up.cancel()
        config = self._process.config  # other homes may use this broker, too
        self.link.publish(homes.topic(config), homes.announcement(config), qos=1, retain=True)
        self._gate.say("ready", broker_generation=self._gate.line.generation)

    def _down(self, why: str) -> None:
        if not self._stopping.is_set():
            self._gate.say("degraded", f"does not answer itself: {why}")
            self._giving_up = self._loop.call_later(SICK_S, self._give_up)

    def _give_up(self) -> None:
        log.error("the broker has not answered itself for %g s; starting afresh", SICK_S)
        os._exit(1)
