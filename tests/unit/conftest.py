"""Small and quick: few examples a property, no time limit for one on a busy machine, and homes with short paths."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from effectd.base.journal_file import JournalFile
from tests.unit.house import House
from tests.unit.real_loop import RealLoop

settings.register_profile("unit", max_examples=40, deadline=None, database=None)
settings.load_profile("unit")


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty folder whose path is short enough for UNIX sockets, with a run/ in it."""
    folder = Path(tempfile.mkdtemp(prefix="u", dir="/tmp"))
    (folder / "run").mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def no_inotify(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without inotify, for tests in which no gate appears: Linux takes 20 ms to close one."""

    def none(_folder: Path) -> None:
        raise OSError("inotify is Linux only")

    monkeypatch.setattr("effectd.readiness.gate_watcher.Inotify", none)


@pytest.fixture
def loop() -> Iterator[RealLoop]:
    loop = RealLoop()
    yield loop
    loop.close()


@pytest.fixture(autouse=True)
def _closed_journals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A removed file that is still open keeps its 32 MB until the whole run ends."""
    made: list[JournalFile] = []
    make = JournalFile.__init__

    def noted(self: JournalFile, *arguments: Any) -> None:
        make(self, *arguments)
        made.append(self)

    monkeypatch.setattr(JournalFile, "__init__", noted)
    yield
    for file in made:
        file.close()


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    """With its drivers ready, and nothing published yet."""
    house = House(home)
    house.ready()
    house.link.published.clear()
    yield house
    house.close()
