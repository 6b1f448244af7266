"""A lock of a home: one holder, whatever happens to the files; free as soon as its holder is dead."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from effectd.base.lock import HomeLock, Lock, held, holders

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, pathlib, time
from effectd.base.lock import Lock, HomeLock
home = pathlib.Path(sys.argv[1])
lock = HomeLock(home) if sys.argv[2] == "supervisord" else Lock(home, sys.argv[2])
print(lock.take(), flush=True)
time.sleep(60)
"""


def holder(home: Path, name: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLDER, home, name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_lock_has_one_holder_who_is_known_and_is_free_at_its_death(home):
    process = holder(home, "fan")
    try:
        assert not Lock(home, "fan").take()
        assert holders(home) == {"fan": process.pid}
        shutil.rmtree(home / "run")  # no file has anything to do with it
        assert not Lock(home, "fan").take()
        with held(home, "lamp", 0) as ours:
            assert ours
    finally:
        end(process)
    mine = Lock(home, "fan")
    assert mine.take()
    assert holders(home)["fan"] == os.getpid()
    mine.release()
    assert holders(home) == {}


def test_who_waits_for_a_lock_has_it_when_its_holder_is_dead(home):
    process, mine = holder(home, "fan"), Lock(home, "fan")
    waiting = threading.Thread(target=mine.take, args=(30.0,), daemon=True)
    waiting.start()
    assert not mine.taken
    end(process)
    waiting.join(10)
    assert mine.taken
    mine.release()


def test_a_home_that_is_moved_keeps_its_locks_and_a_copy_has_its_own(home):
    mine = Lock(home, "fan")
    assert mine.take()
    moved = home.with_name(f"{home.name}-moved")
    home.rename(moved)
    try:
        assert not Lock(moved, "fan").take()
        home.mkdir()
        other = Lock(home, "fan")
        assert other.take()
        other.release()
    finally:
        home.rmdir()
        moved.rename(home)
        mine.release()


def test_one_supervisord_has_a_home_also_where_only_its_folder_is_shared(home, monkeypatch):
    process = holder(home, "supervisord")
    try:
        assert not HomeLock(home).take()
        # another container: the same folder, but the names of its own network
        monkeypatch.setattr("effectd.base.lock._address", lambda home, name: f"\0effectd/elsewhere/{home}/{name}")
        assert not HomeLock(home).take()
    finally:
        end(process)


def test_a_reload_that_has_closed_every_descriptor_takes_the_lock_again(home):
    script = f"""
import os, pathlib
from effectd.base.lock import HomeLock, holders
home = pathlib.Path({str(home)!r})
lock = HomeLock(home)
assert lock.take() and lock.take()
os.closerange(3, 1024)
assert holders(home) == {{}}
assert lock.take()
assert holders(home) == {{"supervisord": os.getpid()}}
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_of_two_who_edit_the_second_one_waits(home):
    order = list[str]()

    def edit() -> None:
        with held(home, "edit", 10) as ours:
            order.append(f"second {ours}")

    with held(home, "edit", 0) as ours:
        second = threading.Thread(target=edit)
        second.start()
        order.append(f"first {ours}")
    second.join(10)
    assert order == ["first True", "second True"]
