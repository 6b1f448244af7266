"""The file `passwords` of a home: `NAME:$argon2id...` a line, 0600; and the hashing, slow on purpose.

The parameters are OWASP's second recommendation (Password Storage Cheat Sheet): 19 MiB, two passes, one lane. The
64 MiB that libraries begin with would let a few logins at once take a small machine's memory.
"""

import contextlib
import os
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from effectd.base.errors import ConfigError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

FILE = "passwords"
TIME_COST, MEMORY_KIB, LANES = 2, 19_456, 1
LONGEST = 1024  # bytes of a password
# a hash of the same cost that no password has: it was never computed
_NOBODY = f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={LANES}${'A' * 22}${'A' * 43}"


def read(home: Path) -> dict[str, str]:
    """Name -> hash; {} if there is no such file. Raises ConfigError for one that cannot be read or trusted."""
    path = home / FILE
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        what = "a symbolic link; it must be a file of its own" if path.is_symlink() else str(error.strerror)
        raise ConfigError(path, 1, "", what) from None
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in {os.geteuid(), 0, home.stat().st_uid}:
        os.close(fd)
        raise ConfigError(path, 1, "", "another user's, or not a regular file: it is not trusted")
    with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
        hashes: dict[str, str] = {}
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text and not text.startswith("#"):
                name, _, hashed = text.partition(":")
                if not hashed.startswith("$argon2id$"):
                    raise ConfigError(path, number, "", "a line is NAME:$argon2id..., as `effectd user add` writes it")
                hashes[name] = hashed
    return hashes


def is_private(home: Path) -> bool:
    """Whether only its owner may read it; true if there is none."""
    try:
        return not (home / FILE).lstat().st_mode & 0o077
    except OSError:
        return True


def write(home: Path, hashes: dict[str, str]) -> None:
    """In one step, 0600 from its first byte, with the owner of the home. Raises OSError."""
    fd, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=home)  # 0600
    fresh = Path(name)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.writelines(f"{name}:{hashed}\n" for name, hashed in hashes.items())
            file.flush()
            os.fsync(fd)
        owner = home.stat()
        if os.geteuid() == 0 and owner.st_uid:
            os.chown(fresh, owner.st_uid, owner.st_gid)
        fresh.replace(home / FILE)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # 8 ms to import; needed only if there are users

    return PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES)


def hashed(password: bytes) -> str:
    return _hasher().hash(password)


def verify(hashed: str, password: bytes) -> bool:
    """Some 20 ms, with and without a hash (""), so that the time does not reveal whether there is such a user."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed or _NOBODY, password) and bool(hashed)
    except (VerificationError, InvalidHashError):
        return False
