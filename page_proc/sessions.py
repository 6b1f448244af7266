"""Login sessions of the page: random cookies and the users that they stand for; in memory, with an expiry."""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable

IDLE_S, LONGEST_S = 12 * 3600.0, 7 * 86_400.0
MOST = 1000


class Session:
    """`login`: the line of `passwords` that let the user in; with another one the session has ended."""

    def __init__(self, user: str, login: str, now: float) -> None:
        self.user, self.login, self.began, self.last = user, login, now, now


class Sessions:
    """Keyed by digests of the cookies, so that reading this program's memory later gives no valid cookie."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, user: str, login: str) -> str:
        """Make a session; returns its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[_digest(cookie)] = Session(user, login, self._clock())
        if len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session, unless it has ended."""
        session = self._sessions.get(_digest(cookie))
        if session is None:
            return None
        now = self._clock()
        if now - session.last > IDLE_S or now - session.began > LONGEST_S:
            self.end(cookie)
            return None
        session.last = now
        self._sessions.move_to_end(_digest(cookie))
        return session

    def end(self, cookie: str) -> None:
        self._sessions.pop(_digest(cookie), None)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode(errors="replace")).digest()
