"""The embedded broker: listens as configured, and is ready once it has answered its own CONNECT and SUBSCRIBE."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
from collections.abc import Awaitable, Callable
from typing import Any

from uvloop import Loop

from broker_proc import homes
from broker_proc.broker import Broker
from broker_proc.door import Door
from broker_proc.home_files import HomeFiles, warn_of_users
from broker_proc.listeners import SocketFile, listen_tcp, listen_web
from broker_proc.selfcheck import SelfCheck
from effectd.access import passwords
from effectd.access.access import Access
from effectd.access.tls import tls_context
from effectd.base.errors import ConfigError
from effectd.config.reader import BROKER_SOCKET, home_id
from effectd.program.braked import braked
from effectd.program.port_trouble import PortTrouble
from effectd.program.process import Process

RETRY_S = 0.5  # a port that becomes free sends no notice
SICK_S = 10.0  # after so long without an answer to its own client the broker is restarted
SPARE = 200  # descriptors beside those of clients

log = logging.getLogger(__name__)


def serve(process: Process) -> None:
    """Run until SIGTERM."""
    gc.collect()
    gc.freeze()  # what exists now stays: the garbage collector need not scan it again
    _make_room(process.config.broker.limits.connections)
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(process))


def _make_room(connections: int) -> None:
    """Raise the limit of open files for them, if the machine allows it: the usual default is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            log.warning("%d open files are allowed: too few for %d connections", allowed, connections)


async def _serve(process: Process) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    process.serve(loop, stopping.set)
    await braked(process, stopping)
    if not stopping.is_set():
        await Embedded(process, loop, stopping).run()


class Embedded:
    """One broker, its listeners, and the gate that speaks for them.

    `broker.sock` is there at once and for good. A port that cannot be had now is tried for again; meanwhile the gate
    says `ready` with the reason, for this home's own programs need no port.
    """

    def __init__(self, process: Process, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
        self._process, self._loop, self._stopping = process, loop, stopping
        self._settings = process.config.broker
        self._listening: dict[str, asyncio.Server] = {}  # by key in the configuration: host, websocket
        self._absent: dict[str, str] = {}  # the same -> why it is not listening there
        self._port_trouble = PortTrouble()
        self._giving_up: asyncio.TimerHandle | None = None
        self._trouble: str | None = None  # result of the self-check: "" = all is well, None = none yet

    async def run(self) -> None:
        settings, process = self._settings, self._process
        plugins = self._plugins()
        broker = self._broker = Broker(
            self._loop,
            settings.limits,
            own=f"effectd-{home_id(process.home)}-",
            unretained=process.config.topics.unretained,
            door=(door := Door(Access(process.config), hashes := passwords.read(process.home))),
            plugins=plugins,
            sys_interval_s=settings.sys_interval_s,
        )
        if plugins is not None:
            await plugins.start(broker)
        self._tls = self._context()
        warn_of_users(process.config, hashes)
        door.files = self._files = HomeFiles(process.config, door, self._tls, broker.renew, home=process.home)
        await self._listen()
        socket_file = SocketFile(broker, process.run / BROKER_SOCKET)
        await socket_file.start()
        self._giving_up = self._loop.call_later(SICK_S, self._give_up)
        config = process.config
        check_id, check_topic = config.client_id("broker"), config.topics.system("broker-probe")
        check = SelfCheck(self._loop, process.run / BROKER_SOCKET, check_id, check_topic, self._checked)
        # other homes may use this broker, too
        broker.publish_own(homes.topic(config), homes.announcement(config), 1, retain=True)
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RETRY_S if self._absent else None)
            if self._absent and not self._stopping.is_set():
                await self._listen()
                self._say()
        process.gate.say("stopping")
        check.close()
        self._files.close()
        for server in self._listening.values():
            server.close()
        socket_file.close()
        await broker.stop()
        if plugins is not None:
            await plugins.stop()

    # -- what is available

    def _plugins(self) -> Any:
        if not self._settings.plugins:
            return None
        from broker_proc.plugins import UNUSABLE, Plugins  # amqtt: 7 MB and a tenth of a second

        logging.getLogger("amqtt").setLevel(logging.WARNING)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        try:
            return Plugins(self._settings.plugins)
        except UNUSABLE as error:
            why = ": ".join(str(one) for one in (error, error.__cause__) if one is not None and str(one))
            raise self._wrong("plugins", f"cannot be loaded: {why}") from error

    def _context(self) -> Any:
        try:
            users = bool(self._settings.users)
            return tls_context(self._settings.tls, home=self._process.home, users=users)
        except OSError as error:
            raise self._wrong("tls", f"no TLS with these files: {error}") from error

    def _wrong(self, key: str, problem: str) -> ConfigError:
        config = self._process.config
        return ConfigError(config.home / "config.yaml", config.file.line("broker", key), f"broker.{key}", problem)

    # -- listening

    async def _listen(self) -> None:
        """Listen on every address on which it does not listen yet."""
        settings, web = self._settings, self._settings.websocket
        if "host" not in self._listening:
            await self._try("host", settings.host, settings.port, lambda: listen_tcp(self._broker, settings, self._tls))
        if web is not None and "websocket" not in self._listening:
            await self._try("websocket", web.host, web.port, lambda: listen_web(self._broker, web, self._tls))

    async def _try(self, key: str, host: str, port: int, listen: Callable[[], Awaitable[asyncio.Server]]) -> None:
        """Listen there, or note why not. Raises ConfigError if that can never work."""
        try:
            self._listening[key] = await listen()
        except OSError as error:
            self._absent[key], passes = await self._port_trouble.why(error, host, port)
            if not passes:
                raise self._wrong(key, self._absent[key]) from None
        else:
            self._absent.pop(key, None)

    # -- the gate

    def _checked(self, trouble: str) -> None:
        """The state of the broker's own client has changed."""
        self._trouble = trouble
        if trouble and self._giving_up is None:
            self._giving_up = self._loop.call_later(SICK_S, self._give_up)
        elif not trouble and self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        self._say()

    def _say(self) -> None:
        if self._trouble is None or self._stopping.is_set():
            return
        gate, absent = self._process.gate, "; ".join(self._absent.values())
        if self._trouble:
            gate.say("degraded", f"does not answer its own client: {self._trouble}")
        else:
            gate.say("ready", absent, broker_generation=gate.line.generation)

    def _give_up(self) -> None:
        log.error("the broker has not answered its own client for %g s; restarting", SICK_S)
        os._exit(1)
