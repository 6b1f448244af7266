"""Authenticates clients and gives them their rights: programs of this home by the socket, others or users by a port.

Without a configuration (a broker alone, in tests and benchmarks) every client may do everything.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from broker_proc import reasons
from broker_proc.packets import Connect
from broker_proc.rights import MustAsk
from effectd.access.access import Access
from effectd.access.grant import EVERYTHING, NOTHING, Grant
from effectd.access.logins import Logins, TooMany
from effectd.access.tls import common_name

if TYPE_CHECKING:
    from broker_proc.client import Client
    from broker_proc.sessions import Session

CERTIFICATE = "certificate"  # in the place of a line of `passwords`


class Refused(Exception):
    """A client is refused: MQTT 5's reason code, 3.1.1's return code, and a text."""

    def __init__(self, code: int, code_311: int, why: str) -> None:
        super().__init__(why)
        self.code, self.code_311, self.why = code, code_311, why


class Visitor(NamedTuple):
    """A client that was admitted. `login`: the line of `passwords` that admitted it, CERTIFICATE, or None."""

    grant: Grant
    username: str | None
    login: str | None = None


class Files:
    """What the door needs of the watcher of the home's files; this one never changes anything."""

    def changed(self) -> bool:
        return False

    async def take_in(self) -> None:
        """Read them again."""


class Door:
    """`access` and `passwords` are replaced as the files change, see `renew`."""

    def __init__(self, access: Access | None = None, passwords: dict[str, str] | None = None) -> None:
        self._access, self._passwords = access, passwords or {}
        self.files = Files()
        self.logins: Logins | None = None  # made when the first user logs in

    def renew(self, access: Access, passwords: dict[str, str]) -> None:
        self._access, self._passwords = access, passwords

    def close(self) -> None:
        if self.logins is not None:
            self.logins.close()

    @property
    def asks_for_users(self) -> bool:
        return self._access is not None and self._access.anybody is None

    def probing(self, grant: Grant, client_id: str) -> Grant:
        """`grant` and what any client may use besides."""
        return grant if self._access is None else self._access.probing(grant, client_id)

    def enter(self, client: "Client", asked: Connect) -> Visitor:
        """Raises Refused; MustAsk where the files or a password have to be checked first."""
        access = self._access
        if access is None:
            return Visitor(EVERYTHING, asked.username)
        if self.files.changed():
            raise MustAsk(self.files.take_in)
        if client.kind == "unix":
            return Visitor(access.program(asked.client_id), asked.username)
        if asked.client_id.startswith(access.own):
            raise _not_allowed("this client id is for the home's own programs, by run/broker.sock")
        if access.anybody is not None:
            return Visitor(access.anybody, asked.username)
        return self._user(access, client, asked)

    def _user(self, access: Access, client: "Client", asked: Connect) -> Visitor:
        if (name := common_name(client.transport)) is not None:
            if name not in access.users:
                raise _not_allowed("the name in this certificate is no user here")
            return Visitor(access.users[name], name, CERTIFICATE)
        if asked.username is None:
            raise _not_allowed("a user name and a password are needed here")
        name, password = asked.username, asked.password or b""
        hashed = self._passwords.get(name, "") if name in access.users else ""
        logins = self._checks(client)
        if logins.remembered(name, password, hashed) or client.verdict == (hashed, True):
            return Visitor(access.users[name], name, hashed)
        if client.verdict == (hashed, False):
            raise Refused(reasons.BAD_LOGIN, reasons.V311_BAD_LOGIN, "no such user, or not that password")
        if client.verdict == (hashed, None):
            raise Refused(reasons.SERVER_BUSY, reasons.V311_UNAVAILABLE, "too many logins wait: come back later")
        raise MustAsk(self._ask(logins, client, name, password, hashed))

    def _checks(self, client: "Client") -> Logins:
        if self.logins is None:
            self.logins = Logins(client.loop)
        return self.logins

    def _ask(
        self, logins: Logins, client: "Client", name: str, password: bytes, hashed: str
    ) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            good: bool | None
            try:
                good = await logins.check(client.address[0], name, password, hashed, lambda: not client.lost)
            except TooMany:
                good = None
            client.verdict = (hashed, good)

        return ask

    def standing(self, session: "Session") -> Visitor | None:
        """A client that came by a port, checked against the current files; None: it is no longer allowed."""
        access = self._access
        if access is None:
            return Visitor(EVERYTHING, session.username)
        if access.anybody is not None and session.login is None:
            return Visitor(access.anybody, session.username)
        name = session.username
        if name is None or session.login is None or name not in access.users:
            return None
        if session.login not in (CERTIFICATE, self._passwords.get(name)):
            return None
        return Visitor(access.users[name], name, session.login)

    def last_rights(self, session: "Session") -> Grant:
        """The rights by which the last will of a client that is thrown out is judged."""
        access = self._access
        if access is None:
            return NOTHING
        return access.users.get(session.username or "", NOTHING)


def _not_allowed(why: str) -> Refused:
    return Refused(reasons.NOT_AUTHORIZED, reasons.V311_NOT_AUTHORIZED, why)
