"""The files of the home that the broker reloads while it runs: users, devices, passwords, the server's certificate.

Checked twice a second, and at each CONNECT, so that a user who was just added can log in at once.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec

from broker_proc.door import Door, Files
from effectd.access import certificates, passwords
from effectd.access.access import Access
from effectd.access.tls import asked_of_clients, load_certificate
from effectd.base.errors import ConfigError
from effectd.base.in_place import contents
from effectd.config import exposure, reader
from effectd.config.address import Tls
from effectd.config.reader import Config

LOOK_S, DAY_S = 0.5, 86_400.0

log = logging.getLogger(__name__)


class HomeFiles(Files):
    """`renewed` is called after each change that was loaded; a file that is wrong is logged and changes nothing."""

    def __init__(
        self, config: Config, door: Door, context: ssl.SSLContext | None, renewed: Callable[[], None], *, home: Path
    ) -> None:
        self._config, self._door, self._context, self._renewed, self._home = config, door, context, renewed, home
        self._rights = [home / reader.FILE, home / passwords.FILE]
        self._marks = contents(self._rights)
        tls = config.broker.tls
        self._tls: Tls | None = tls if context is not None else None
        self._keys = [home / name for name in (tls.certfile, tls.keyfile) if name] if self._tls and tls else []
        self._key_marks = contents(self._keys)
        self._reading: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_S, self._look)
        self._daily: asyncio.Handle = self._loop.call_soon(self._look_at_end)

    def close(self) -> None:
        self._timer.cancel()
        self._daily.cancel()
        if self._reading is not None:
            self._reading.cancel()

    def changed(self) -> bool:
        return self._reading is not None or contents(self._rights) != self._marks

    async def take_in(self) -> None:
        """Read users, devices and passwords again; of several callers at one time only the first one reads."""
        if self._reading is None:
            self._reading = self._loop.create_task(self._take_in())
            self._reading.add_done_callback(self._read)
        await asyncio.shield(self._reading)

    def _read(self, done: asyncio.Task[None]) -> None:
        self._reading = None
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("what stands in the home's files could not be taken in", exc_info=error)

    async def _take_in(self) -> None:
        self._marks = contents(self._rights)
        try:
            config, hashes = await self._loop.run_in_executor(None, self._load)
        except ConfigError as error:
            log.error("%s (not taken in: what was known before still counts)", error)
            return
        warn_of_users(config, hashes)
        if self._context is not None and self._tls is not None:
            self._context.verify_mode = asked_of_clients(self._tls, users=bool(config.broker.users))
        self._door.renew(Access(config), hashes)
        self._renewed()
        log.info("users, devices and passwords are taken in: %d users", len(config.broker.users))

    def _load(self) -> tuple[Config, dict[str, str]]:
        config = reader.load(self._home)
        was = self._config.broker
        for where in (was, was.websocket):
            if where is not None and not config.broker.users and not exposure.is_loopback(where.host):
                what = f"no users any more, while {where.host} is still listened on: supervisorctl restart broker"
                raise config.file.error(("broker", "users"), what)
        # another topic_root is in force after a restart, as it is for those who publish below it
        return msgspec.structs.replace(config, topic_root=self._config.topic_root), passwords.read(self._home)

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look)
        if self._reading is None and self.changed():
            self._reading = self._loop.create_task(self._take_in())
            self._reading.add_done_callback(self._read)
        marks = contents(self._keys)
        if marks != self._key_marks and self._tls is not None and self._context is not None:
            self._key_marks = marks
            try:
                load_certificate(self._context, self._tls, home=self._home)
            except OSError as error:  # half of it may be written: the other half is a change, too
                log.warning("%s is not taken in: %s", self._tls.certfile, error)
            else:
                log.info("%s is taken in", self._tls.certfile)
                self._look_at_end()

    def _look_at_end(self) -> None:
        """At the start, after each change and once a day: warn if the certificate expires soon."""
        if not self._keys:
            return
        self._daily.cancel()
        self._daily = self._loop.call_later(DAY_S, self._look_at_end)
        if warning := certificates.warning(self._keys[0]):
            log.warning("%s", warning)


def warn_of_users(config: Config, hashes: dict[str, str]) -> None:
    """Users who cannot log in with a password, and a file that others can read."""
    without = [name for name in config.broker.users if name not in hashes]
    if without and (config.broker.tls is None or config.broker.tls.cafile is None):
        names = ", ".join(without[:20])
        log.warning("no password for %s in %s: effectd user add NAME", names, passwords.FILE)
    if not passwords.is_private(config.home):
        log.warning("others can read %s: chmod 600 %s", passwords.FILE, config.home / passwords.FILE)
