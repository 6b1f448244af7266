"""Makes and checks the folder `run/` of a home: it must be a real, private folder of ours."""

import os
import stat
from pathlib import Path

from effectd.base.errors import ConfigError, NotYours


def prepare(home: Path) -> Path:
    """Make `run/` and `run/log/` where they are missing. Raises as `check`, and OSError where they cannot be made."""
    check(home)
    for folder in (home / "run", home / "run" / "log"):
        folder.mkdir(mode=0o700, exist_ok=True)
    return home / "run"


def check(home: Path) -> None:
    """Raises ConfigError if `run` is not a real folder, NotYours if it, or the home, belongs to another user."""
    run = home / "run"
    try:
        found = run.lstat()
    except FileNotFoundError:
        return
    except PermissionError:
        raise NotYours.by(home) from None
    if not stat.S_ISDIR(found.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no folder"
        raise ConfigError(run, 1, "", f"{what}; it must be a folder of this home's own: remove it, and it is recreated")
    ours = {os.geteuid()} | ({home.stat().st_uid} if os.geteuid() == 0 else set())  # root may, in its owner's home
    if found.st_uid not in ours:
        raise NotYours.by(run)
