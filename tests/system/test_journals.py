"""The journals of a running home are deleted, damaged and lost: nothing is forgotten silently, no device is deaf."""

import os
from pathlib import Path

from tests.system.home import Home, wait_for


def restarted(home: Home, program: str) -> None:
    dead = home.kill(program)

    def back() -> bool:
        line = home.line(program)
        return line is not None and line["pid"] != dead and line["state"] == "ready"

    wait_for(back, what=f"a new {program}")


def files(home: Home, name: str) -> list[Path]:
    return [home.path / "run" / name, home.path / "run" / f"{name}.old"]


def test_journals_that_are_deleted_are_back_within_a_second_with_all_that_was_in_them(home: Home) -> None:
    client = home.client()
    home.order("stop", "scent")
    for number in range(10):
        client.publish("effects/scent", {"id": f"held-{number}", "ttl_ms": 60_000, "duration": 10})
    client.publish("effects/wind", {"id": "known", "duration": 10})
    client.receipt("known")
    wait_for(lambda: all(client.on(f"receipts/held-{number}") for number in range(10)), what="accepted")
    for name in ("dispatcher.journal", "wind.seen"):
        for file in files(home, name):
            file.unlink()
    for name, key in (("dispatcher.journal", b"held-9"), ("wind.seen", b"known")):
        there = files(home, name)
        wait_for(lambda there=there: all(f.exists() for f in there), 1.5, f"{name} again")
        wait_for(lambda there=there, key=key: any(key in f.read_bytes() for f in there), 1.5, f"{key!r} in {name}")
    restarted(home, "dispatcher")
    restarted(home, "wind")
    home.order("start", "scent")
    for number in range(10):
        client.receipt(f"held-{number}", 20)
    sets = len(client.on("devices/wind/set"))
    client.publish("effects/wind", {"id": "known", "duration": 10})
    wait_for(lambda: len(client.on("receipts/known")) >= 2, what="the same receipt again")
    assert len(set(client.on("receipts/known"))) == 1
    assert len(client.on("devices/wind/set")) == sets


def test_a_dispatcher_that_has_lost_its_journals_and_a_foreign_set_make_no_device_deaf(home: Home) -> None:
    client = home.client()
    foreign = {"effect_type": "wind", "intensity": 5, "duration": 5000, "id": "foreign", "seq": 2**63 - 1}
    home.program("dispatcher-2").publish("devices/wind/set", foreign | {"newest": 2**63 - 1})
    wait_for(lambda: client.state("wind").get("effect_id") == "foreign", what="the foreign one being on")
    home.order("stop", "dispatcher")
    for file in files(home, "dispatcher.journal"):
        file.unlink()
    home.order("start", "dispatcher")
    home.wait_ready()
    client.publish("effects/wind", {"id": "e1", "duration": 10})
    assert client.receipt("e1")["status"] == "done"


def test_notes_of_a_driver_that_are_damaged_are_told_in_its_log_and_by_its_gate_and_it_works_on(home: Home) -> None:
    client = home.client("system/wind/state", "receipts/#")
    home.order("stop", "wind")
    for file in files(home, "wind.seen"):
        with file.open("r+b") as opened:
            opened.write(os.urandom(100))
    home.order("start", "wind")
    wait_for(lambda: any(b"run/wind.seen" in state for state in client.on("system/wind/state")), what="degraded")
    home.wait_ready()
    assert "run/wind.seen has a damaged header; what was noted in it is lost" in home.log("wind")
    client.publish("effects/wind", {"id": "e1", "duration": 10})
    assert client.receipt("e1")["status"] == "done"
