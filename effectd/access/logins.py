"""Checks passwords off the loop, one at a time in a low-priority thread; failures are delayed and logged.

A success is cached, so that a thousand clients that reconnect after a restart cost one hash each at most. The cache
holds a keyed digest: neither a password nor anything that could be compared with a stolen list.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from effectd.access import passwords
from effectd.base.complaints import Complaints
from effectd.base.nice import be_nice

REMEMBERED = 10_000  # logins
NICE = 19  # of the hashing thread: the loop has priority
PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # before the answer to a failure; doubled by each further one
FORGIVEN_S = 60.0  # after so long without a failure
SUSPECTS = 1000  # addresses with failures, remembered
WAITING = 10  # queued logins per such address

log = logging.getLogger(__name__)


class Suspect:
    """An address from which a login has failed."""

    def __init__(self) -> None:
        self.failures, self.waiting, self.last = 0, 0, 0.0
        self.turn = asyncio.Lock()


class TooMany(Exception):
    """Too many logins of this address are queued already."""


class Logins:
    """`remembered` answers at once; `check` takes a while."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._suspects: dict[str, Suspect] = {}
        self._complaints = Complaints(loop, "more failed logins")
        self._turn = asyncio.Lock()
        self._pool = ThreadPoolExecutor(1, "logins", initializer=be_nice, initargs=(NICE,))

    def close(self) -> None:
        self._complaints.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def remembered(self, name: str, password: bytes, hashed: str) -> bool:
        """Whether the same login has succeeded before, against the same line of `passwords`."""
        return bool(hashed) and self._digest(name, password, hashed) in self._known

    async def check(self, address: str, name: str, password: bytes, hashed: str, there: Callable[[], bool]) -> bool:
        """Raises TooMany. `there`: whether the client still waits for the answer."""
        suspect = self._suspects.get(address)
        if suspect is None or self._loop.time() - suspect.last > FORGIVEN_S:
            if await self._verify(name, password, hashed):
                return True
            suspect = self._suspect(address)
            suspect.failures += 1
            await self._slow_down(suspect, address, name)
            return False
        if suspect.waiting >= WAITING:
            raise TooMany
        suspect.waiting += 1
        try:
            async with suspect.turn:
                if not there():
                    return False
                if await self._verify(name, password, hashed):
                    return True
                suspect.failures += 1
                await self._slow_down(suspect, address, name)
                return False
        finally:
            suspect.waiting -= 1

    async def _verify(self, name: str, password: bytes, hashed: str) -> bool:
        if len(password) > passwords.LONGEST:
            password, hashed = b"", ""
        async with self._turn:  # in order of arrival
            if self.remembered(name, password, hashed):
                return True  # cached meanwhile: of many equal logins at once only the first costs a hash
            good = await self._loop.run_in_executor(self._pool, passwords.verify, hashed, password)
            if good:
                if len(self._known) >= REMEMBERED:
                    del self._known[next(iter(self._known))]
                self._known[self._digest(name, password, hashed)] = None
            return good

    async def _slow_down(self, suspect: Suspect, address: str, name: str) -> None:
        suspect.last = self._loop.time()
        times = suspect.failures
        self._complaints.say(f"login of {name[:64]!r} from {address} failed ({times} failures from there)")
        await asyncio.sleep(min(PAUSE_S * 2 ** min(times - 1, 10), LONGEST_PAUSE_S))
        suspect.last = self._loop.time()

    def _suspect(self, address: str) -> Suspect:
        found = self._suspects.get(address)
        if found is None or self._loop.time() - found.last > FORGIVEN_S:
            if len(self._suspects) >= SUSPECTS:
                del self._suspects[next(iter(self._suspects))]
            found = self._suspects[address] = Suspect()
            found.last = self._loop.time()
        return found

    def _digest(self, name: str, password: bytes, hashed: str) -> bytes:
        parts = (name.encode(errors="replace"), hashed.encode(), password)
        return hmac.digest(self._secret, b"\0".join(parts), hashlib.sha256)
