"""What is promised of every effect, whatever dies: one final status, at most once, an end, nothing after a stop."""

import time

import pytest

from tests.system.home import Client, Home, wait_for


def with_witness(port: int) -> dict[str, object]:
    """A fan whose every actuation is heard by somebody else's broker, with the effect's id."""
    options = {
        "topic": "fan",
        "payload": "$id",
        "off_payload": "off",
        "broker": {"host": "127.0.0.1", "port": port},
    }
    return {"kind": "mqtt", "effects": ["wind"], "limits": {"max_rate_hz": 1000}, "options": options}


def test_an_effect_accepted_by_a_dispatcher_that_is_killed_is_done_by_its_successor(home: Home) -> None:
    client = home.client()
    home.ctl("stop", "wind")
    client.publish("effects/wind", {"id": "held", "intensity": 40, "ttl_ms": 20000})
    wait_for(lambda: client.on("receipts/held"), what="accepted")
    assert client.json("receipts/held")[0]["status"] == "accepted"
    killed = home.kill("dispatcher")
    wait_for(lambda: (line := home.line("dispatcher")) and line["pid"] != killed, what="a successor")
    home.order("start", "wind")
    assert client.receipt("held")["status"] == "done"
    assert [receipt["status"] for receipt in client.json("receipts/held")] == ["accepted", "done"]


def test_the_same_id_is_not_executed_again_though_the_dispatcher_died_between(home: Home, mosquitto: int) -> None:
    client = home.client()
    effect = {"id": "once", "intensity": 40, "duration": 50}
    client.publish("effects/wind", effect)
    first = client.receipt("once")
    killed = home.kill("dispatcher")
    wait_for(lambda: (line := home.line("dispatcher")) and line["pid"] != killed, what="a successor")
    home.wait_ready()
    heard = len(client.on("receipts/once"))
    client.publish("effects/wind", effect)
    wait_for(lambda: len(client.on("receipts/once")) > heard, what="the receipt again")
    assert client.json("receipts/once")[-1] == first
    assert home.log("wind").count("(effect once)") == 1


def test_an_effect_is_interrupted_and_not_repeated_when_its_driver_is_killed_while_it_drives() -> None:
    slow = {"kind": "virtual", "effects": ["wind"], "options": {"apply_ms": 1500}}
    with Home({"wind": slow}) as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "cut", "intensity": 40, "ttl_ms": 20000})
        wait_for(lambda: b"cut" in (home.path / "run" / "wind.seen").read_bytes(), what="the id in wind.seen")
        home.kill("wind")
        receipt = client.receipt("cut")
        assert receipt["status"] == "failed"
        assert "interrupted" in receipt["reason"]
        home.wait_ready()
        assert "(effect cut)" not in home.log("wind")
        assert not client.state("wind")["on"]


def storm(client: Client, name: str, count: int = 200) -> None:
    """`count` effects and a stop-all, back to back on one connection."""
    for number in range(count):
        client.publish("effects/wind", {"id": f"{name}-{number}", "intensity": 50, "duration": 0, "ttl_ms": 30000})
    client.publish("stop-all", "stop")


def all_final(client: Client, name: str, count: int) -> list[str]:
    return [client.receipt(f"{name}-{number}", 30)["status"] for number in range(count)]


def test_after_a_stop_all_nothing_published_before_it_drives_the_device(mosquitto: int) -> None:
    witness = Client(mosquitto, "fan")
    with Home({"wind": with_witness(mosquitto)}) as home:
        home.start_ready()
        client = home.client()
        for round_ in range(5):
            storm(client, f"r{round_}")
            statuses = all_final(client, f"r{round_}", 200)
            assert set(statuses) <= {"done", "stopped", "superseded"}
            wait_for(lambda: witness.on("fan")[-1] == b"off", what="off at the witness")
            client.publish("effects/wind", {"id": f"next-{round_}", "intensity": 20, "duration": 20})
            assert client.receipt(f"next-{round_}")["status"] == "done", "the fence must open again"
            heard = [payload.decode() for payload in witness.on("fan")]
            driven = [place for place, id_ in enumerate(heard) if id_.startswith(f"r{round_}-")]
            if driven:  # while the storm lasts one effect replaces the other: the first off is that of the stop
                assert driven[-1] < heard.index("off", driven[0]), "driven after the stop"
            wait_for(lambda: witness.on("fan")[-1] == b"off", what="off")
    witness.close()


def test_a_stop_also_ends_what_a_dead_dispatcher_had_accepted(mosquitto: int) -> None:
    witness = Client(mosquitto, "fan")
    with Home({"wind": with_witness(mosquitto)}) as home:
        home.start_ready()
        client = home.client()
        home.order("stop", "wind")  # so that everything is held
        for number in range(100):
            client.publish("effects/wind", {"id": f"h-{number}", "intensity": 50, "duration": 0, "ttl_ms": 30000})
        wait_for(lambda: client.on("receipts/h-99"), what="all accepted")
        home.order("stop", "dispatcher")
        home.order("start", "wind")
        wait_for(lambda: (line := home.line("wind")) and line["state"] == "ready", what="wind ready")
        client.publish("stop-all", "stop")
        wait_for(lambda: client.on("devices/wind/fence")[-1:] not in ([], [b""]), what="the fence")
        driven_before = len(witness.on("fan"))
        home.order("start", "dispatcher")
        statuses = all_final(client, "h", 100)
        assert set(statuses) == {"stopped"}
        client.publish("effects/wind", {"id": "next", "intensity": 20, "duration": 20, "ttl_ms": 10000})
        assert client.receipt("next")["status"] == "done"
        since = [payload for payload in witness.on("fan")[driven_before:] if payload.startswith(b"h-")]
        assert since == [], "driven after the stop"
    witness.close()


def test_effectd_stop_reaches_everything_while_the_broker_is_dead_and_holds_when_it_is_back(mosquitto: int) -> None:
    witness = Client(mosquitto, "fan")
    with Home({"wind": with_witness(mosquitto)}) as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "on", "intensity": 50, "duration": 0})
        assert client.receipt("on")["status"] == "done"
        home.order("stop", "broker")
        start = time.monotonic()
        done = home.effectd("--home", str(home.path), "stop")
        assert done.returncode == 0, done.stdout + done.stderr
        assert time.monotonic() - start < 10
        assert witness.on("fan")[-1] == b"off"
        home.order("start", "broker")
        home.wait_ready()
        fresh = home.client()
        fresh.publish("effects/wind", {"id": "next", "intensity": 20, "duration": 20, "ttl_ms": 10000})
        assert fresh.receipt("next")["status"] == "done"
        assert witness.on("fan").count(b"on") == 1
    witness.close()


@pytest.mark.parametrize("victim", ["broker", "dispatcher", "wind"])
def test_under_load_a_kill_loses_nothing_and_doubles_nothing(mosquitto: int, victim: str) -> None:
    witness = Client(mosquitto, "fan")
    with Home({"wind": with_witness(mosquitto)}) as home:
        home.start_ready()
        wait_for(lambda: "RUNNING" in home.ctl("status", victim).stdout, what="RUNNING")
        client = home.client()
        asked = [f"l-{number}" for number in range(120)]
        for number, name in enumerate(asked):
            client.publish("effects/wind", {"id": name, "intensity": 50, "duration": 10, "ttl_ms": 20000})
            wait_for(
                lambda number=number: len([1 for t, _ in client.heard if t.startswith("receipts/")]) >= number - 20
            )
            if number == 60:
                home.kill(victim)
                break
        home.wait_ready()
        again = home.client() if victim == "broker" else client
        for name in asked:  # as section 1 of the contract says: the same again until a receipt comes
            again.publish("effects/wind", {"id": name, "intensity": 50, "duration": 10, "ttl_ms": 20000})
        statuses = {name: again.receipt(name, 30)["status"] for name in asked}
        driven = [payload.decode() for payload in witness.on("fan") if payload.startswith(b"l-")]
        assert len(driven) == len(set(driven)), "executed twice"
        done = {name for name, status in statuses.items() if status == "done"}
        assert done <= set(driven), "told done, but never driven"
    witness.close()
