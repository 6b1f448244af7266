"""Authenticates the page's users, and reloads users, passwords and certificate when their files change."""

import asyncio
import base64
import binascii
import logging
import ssl
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.requests import HTTPConnection

from effectd.access import certificates, passwords
from effectd.access.access import Access
from effectd.access.logins import Logins, TooMany
from effectd.access.tls import common_name, load_certificate
from effectd.base.errors import ConfigError
from effectd.base.in_place import contents
from effectd.config import reader
from effectd.config.exposure import is_loopback
from effectd.config.reader import Config, home_id
from page_proc.guest import Guest
from page_proc.replies import Refused
from page_proc.sessions import LONGEST_S, Sessions

LOOK_S = 0.5
CHALLENGE = 'Basic realm="effectd", charset="UTF-8"'

log = logging.getLogger(__name__)


class Users:
    """`renewed` is called when something was reloaded. In a home without users everyone is a guest with all rights."""

    def __init__(self, config: Config, context: ssl.SSLContext | None, renewed: Callable[[], object]) -> None:
        self._config, self._context, self._renewed = config, context, renewed
        self._loop = asyncio.get_running_loop()
        self._cookie = f"effectd-{home_id(config.home)}"  # cookies ignore ports: another home may be on this host
        self._sessions = Sessions(self._loop.time)
        self._logins: Logins | None = None
        home, tls = config.home, config.page.tls if config.page is not None else None
        self._files = [home / reader.FILE, home / passwords.FILE]
        self._keys = [home / name for name in (tls.certfile, tls.keyfile) if name] if tls is not None else []
        self._marks, self._key_marks = contents(self._files), contents(self._keys)
        self._reading: asyncio.Task[None] | None = None
        self._take(config, passwords.read(home))
        self._timer = self._loop.call_later(LOOK_S, self._look)
        if self._keys and (warning := certificates.warning(self._keys[0])):
            log.warning("%s", warning)

    def close(self) -> None:
        self._timer.cancel()
        if self._logins is not None:
            self._logins.close()

    async def guest(self, request: HTTPConnection) -> Guest | None:
        """The user of the request; None: not logged in. Raises Refused where too many logins wait."""
        client = request.client.host if request.client is not None else ""
        if not self._access.users:
            return Guest(None, None, operate=is_loopback(client))
        if (name := common_name(request.scope["state"]["visitor"].transport)) is not None:
            return self._named(name)
        if (cookie := self._cookie_of(request)) and (session := self._sessions.find(cookie)):
            if session.login == self._hashes.get(session.user):
                return self._named(session.user)
            self._sessions.end(cookie)
        if (given := _basic(request.headers.get("authorization", ""))) is None:
            return None
        name, password = given
        return self._named(name) if await self._check(client, name, password) else None

    async def log_in(self, request: HTTPConnection, name: str, password: str) -> str:
        """The Set-Cookie of a new session. Raises Refused."""
        client = request.client.host if request.client is not None else ""
        if not self._access.users:
            raise Refused(409, "this home has no users: no login is needed")
        if not await self._check(client, name, password.encode(errors="replace")):
            raise Refused(401, "no such user, or not that password")
        cookie = self._sessions.begin(name, self._hashes[name])
        return self._set(cookie, int(LONGEST_S))

    def log_out(self, request: HTTPConnection) -> str:
        if cookie := self._cookie_of(request):
            self._sessions.end(cookie)
        return self._set("", 0)

    async def _check(self, client: str, name: str, password: bytes) -> bool:
        hashed = self._hashes.get(name, "") if name in self._access.users else ""
        if self._logins is None:
            self._logins = Logins(self._loop)
        if self._logins.remembered(name, password, hashed):
            return True
        try:
            return await self._logins.check(client, name, password, hashed, lambda: True)
        except TooMany:
            raise Refused(429, "too many logins wait: come back later", {"Retry-After": "5"}) from None

    def _named(self, name: str) -> Guest | None:
        grant = self._access.users.get(name)
        return None if grant is None else Guest(name, grant, operate=name in self._access.operators)

    def _cookie_of(self, request: HTTPConnection) -> str:
        try:
            found = SimpleCookie(request.headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""

    def _set(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self._context is not None else ""
        return f"{self._cookie}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"

    # -- the files

    def _take(self, config: Config, hashes: dict[str, str]) -> None:
        self._access, self._hashes = Access(config), hashes

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look)
        if (self._reading is None or self._reading.done()) and (marks := contents(self._files)) != self._marks:
            self._marks = marks
            self._reading = self._loop.create_task(self._take_in())
        if (marks := contents(self._keys)) != self._key_marks:
            self._key_marks = marks
            self._renew_certificate()

    async def _take_in(self) -> None:
        home = self._config.home
        try:
            config = await self._loop.run_in_executor(None, reader.load, home)
            hashes = await self._loop.run_in_executor(None, passwords.read, home)
        except ConfigError as error:
            log.error("%s (not taken in: what was known before still counts)", error)
            return
        if (config.broker.users, hashes) != (self._config.broker.users, self._hashes):
            self._config = config
            self._take(config, hashes)
            self._renewed()
            log.info("users and passwords are taken in: %d users", len(config.broker.users))

    def _renew_certificate(self) -> None:
        tls = self._config.page.tls if self._config.page is not None else None
        if self._context is None or tls is None:
            return
        try:
            load_certificate(self._context, tls, home=self._config.home)
        except OSError as error:  # half of it may be written: the other half is a change, too
            log.warning("%s is not taken in: %s", tls.certfile, error)
        else:
            log.info("%s is taken in", tls.certfile)


def _basic(header: str) -> tuple[str, bytes] | None:
    """Name and password of an Authorization header (RFC 7617)."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
    except (ValueError, binascii.Error):
        return None
    return (name.decode(errors="replace"), password) if colon else None
