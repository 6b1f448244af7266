"""A cleaner of temporary files, or a careless hand, in `run/`: files removed, replaced, garbled while all live."""

import json
import os
import socket
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

from effectd.supervision.control import NotRunning, Supervisor
from tests.chaos.fault import Arena, Fault
from tests.system.home import wait_for

BACK_S = 10.0


class _Files(Fault):
    """Some files of `run/`; afterwards every gate and supervisord's socket can be reached at its path again."""

    _harms: tuple[Callable[[Path, Arena], None], ...] = ()

    def strike(self, arena: Arena) -> None:
        run = arena.home.path / "run"
        for path in self._chosen(run):
            arena.random.choice(self._harms)(path, arena)
        for program in arena.programs:
            wait_for(lambda program=program: _answers(run / f"{program}.gate"), BACK_S, f"{program}'s gate at its path")
        wait_for(lambda: _reached(arena), BACK_S, "supervisord at its socket")
        arena.more(10)

    @abstractmethod
    def _chosen(self, run: Path) -> list[Path]:
        """The files that are struck."""


def remove(path: Path, _arena: Arena) -> None:
    path.unlink(missing_ok=True)


def replace(path: Path, arena: Arena) -> None:
    """Another file under that name, as a restored backup leaves it."""
    fresh = path.with_name(path.name + ".foreign")
    fresh.write_bytes(arena.random.randbytes(100))
    os.replace(fresh, path)


def garble(path: Path, arena: Arena) -> None:
    if path.is_file():
        with path.open("r+b") as file:
            file.write(arena.random.randbytes(100))
    else:
        replace(path, arena)


class Swept(_Files):
    """One kind of file, of every program."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        # the bytes of a journal that lives are its owner's alone: who writes over them takes what was noted
        self._harms = (remove, replace) if suffix in ("journal", "seen") else (remove, replace, garble)

    def strike(self, arena: Arena) -> None:
        struck = self._chosen(arena.home.path / "run")
        super().strike(arena)
        if self._suffix in ("journal", "seen"):  # written anew within a second, before anybody is killed
            for path in struck:
                wait_for(lambda path=path: _anew(path), BACK_S, f"another {path.name}")

    def _chosen(self, run: Path) -> list[Path]:
        found = run.glob(f"*.{self._suffix}*") if self._suffix != "log" else (run / "log").glob("*.log")
        return sorted(found)

    def __str__(self) -> str:
        return f"Swept {self._suffix}"


class SweptAll(_Files):
    """Every file of `run/` at once."""

    _harms = (remove,)

    def strike(self, arena: Arena) -> None:
        run = arena.home.path / "run"
        super().strike(arena)
        for name in ("dispatcher.journal", *(f"{device}.seen" for device in arena.home.local)):
            wait_for((run / name).exists, BACK_S, f"another {name}")

    def _chosen(self, run: Path) -> list[Path]:
        return sorted(path for path in run.rglob("*") if not path.is_dir())


def _anew(path: Path) -> bool:
    """Written by its owner again: an `.old` that was never used is empty."""
    try:
        return path.read_bytes()[:7] in (b"effectd", bytes(7))
    except OSError:
        return False


def _answers(path: Path) -> bool:
    """Whether a gate's line can be had there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(1)
        try:
            sock.connect(os.fspath(path))
            return "state" in json.loads(sock.makefile().readline())
        except (OSError, ValueError):
            return False


def _reached(arena: Arena) -> bool:
    try:
        return bool(Supervisor(arena.home.path).programs())
    except NotRunning:
        return False
