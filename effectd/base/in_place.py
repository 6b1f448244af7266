"""Files that others may remove or replace: how to see that one is still the same, and how to put one there at once."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

Mark = tuple[int, ...]


def identity(path: Path | str, *, follow: bool = False) -> Mark:
    """Which file has that name now; () = none. `follow`: where it is a link, the one that it leads to."""
    try:
        found = os.stat(path, follow_symlinks=follow)
    except OSError:
        return ()
    return found.st_dev, found.st_ino


def content(path: Path | str, *, follow: bool = False) -> Mark:
    """As `identity`, and another one also when the file is written to."""
    try:
        found = os.stat(path, follow_symlinks=follow)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def contents(paths: Iterable[Path]) -> list[Mark]:
    """A value that changes whenever one of the files does, or the one that it leads to."""
    return [content(path, follow=True) for path in paths]


def clear(path: Path) -> None:
    """A folder in the way is moved aside, for no file replaces one. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.moved-{time.time_ns()}"))


def write(path: Path, data: bytes) -> None:
    """A reader finds what was there before, or all of `data`. Raises OSError."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(data)
    clear(path)
    fresh.rename(path)
