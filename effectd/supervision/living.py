"""Finds the live processes of a home by their locks and command lines, never by a file in `run/`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from effectd.base.lock import EDIT, LAUNCH, SUPERVISORD, holders
from effectd.config import programs

_CONFIG_OPTIONS = ("-c", "--configuration")


def supervisord(home: Path) -> int:
    """The pid of supervisord; 0 if none runs. One that is just starting has no lock yet, but a command line."""
    locks = holders(home)
    if SUPERVISORD in locks and (pid := locks[SUPERVISORD] or locks.get(programs.WATCHDOG, 0)):
        return pid
    return next((process.pid for process, words in _ours() if _runs_supervisord(process, words, home)), 0)


def everyone(home: Path) -> list[psutil.Process]:
    """supervisord first, then all its children and every program of this home; psutil checks start times, too."""
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        if pid := supervisord(home):
            chief = found[pid] = psutil.Process(pid)
            found |= {child.pid: child for child in chief.children(recursive=True)}
    for name, pid in holders(home).items():
        if pid and name not in (LAUNCH, EDIT):
            with contextlib.suppress(psutil.Error):
                found.setdefault(pid, psutil.Process(pid))
    for process, words in _ours():
        if _runs_program(process, words, home):
            found.setdefault(process.pid, process)
    found.pop(os.getpid(), None)
    return [process for process in found.values() if lives(process)]


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE  # a zombie only waits for init
    except psutil.Error:
        return False


def _ours() -> Iterator[tuple[psutil.Process, list[str]]]:
    """The processes that this user may end, with their command lines."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if os.geteuid() in (0, process.uids().effective):
                yield process, process.cmdline()


def _runs_supervisord(process: psutil.Process, words: list[str], home: Path) -> bool:
    script = next((i for i, w in enumerate(words[:3]) if Path(w).name in ("supervisord", "supervisor.supervisord")), -1)
    if script < 0:
        return False
    if given := _option(words[script + 1 :], _CONFIG_OPTIONS):
        return _path(process, given).parent == home
    return _cwd(process) == home  # supervisord looks for supervisord.conf there


def _runs_program(process: psutil.Process, words: list[str], home: Path) -> bool:
    if "-m" not in words[:-1] or words[words.index("-m") + 1] not in programs.modules():
        return False
    given = _option(words, ("--home",))
    return (_path(process, given) if given else _cwd(process)) == home


def _option(words: list[str], names: tuple[str, ...]) -> str:
    """The value of an option, written `-c X`, `-cX`, `--name X` or `--name=X`; "" if absent."""
    for i, word in enumerate(words):
        for name in names:
            if word == name:
                return words[i + 1] if i + 1 < len(words) else ""
            if word.startswith(f"{name}=") or (len(name) == 2 and word.startswith(name)):
                return word.removeprefix(name).removeprefix("=")
    return ""


def _path(process: psutil.Process, given: str) -> Path:
    """As that process would find it; a symbolic link at its end is not followed to the folder of another home."""
    path = (_cwd(process) or Path("/")) / given
    return path.parent.resolve() / path.name


def _cwd(process: psutil.Process) -> Path | None:
    try:
        return Path(process.cwd()).resolve()
    except (psutil.Error, OSError):
        return None
