"""What a file at a path looks like: whether it is still the one that we made there, and as we left it."""

from pathlib import Path


def identity(path: Path) -> tuple[int, ...]:
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino


def content(path: Path) -> tuple[int, ...]:
    """Changes also when the file is written to."""
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
