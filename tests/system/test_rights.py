"""Who may do what on the embedded broker of a real home: what others did to it once (attack by attack) does nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from effectd.config.reader import home_id
from tests.broker import wire, wire5
from tests.needs import cannot
from tests.system.home import Client, Home, wait_for

REMOTE: dict[str, Any] = {"far": {"kind": "remote", "effects": ["wind"], "location": "left"}}


@pytest.fixture(scope="module")
def room() -> Iterator[Home]:
    with Home(REMOTE) as home:
        home.start()
        home.wait_ready()
        yield home


def own_id(home: Home, name: str) -> str:
    return f"effectd-{home_id(home.path)}-{name}"


def barrier(client: Client) -> None:
    """Until the broker has handled all that this client has published before."""
    word = f"barrier/{time.monotonic_ns()}"
    client.publish(word, "x")
    wait_for(lambda: client.on(word), what="the barrier")


PROTECTED = [
    *(f"devices/wind/{word}" for word in ("set", "ack", "fence", "resume", "state", "availability", "config")),
    *("receipts/forged", "receipts/a/b", "dead-letters/refused", "system/wind/state", "system/homes/evil"),
    *("system/holds", "timelines/film/state", "devices/no-such-device/state"),
]


@pytest.mark.parametrize("retain", [False, True])
def test_a_stranger_reads_every_protected_topic_and_writes_none(room: Home, retain: bool) -> None:
    listener, stranger = room.client(), room.client("barrier/#")
    before = len(listener.heard)
    for topic in PROTECTED:
        stranger.publish(topic, "forged", retain=retain)
    barrier(stranger)
    barrier(listener)
    assert [topic for topic, payload in listener.heard[before:] if payload == b"forged"] == []
    late = room.client()
    barrier(late)
    assert not [topic for topic, payload in late.heard if payload == b"forged"]


def test_a_client_of_mqtt_5_is_told_that_it_may_not_and_others_only_that_their_message_came(room: Home) -> None:
    with wire5.connected(room.port) as stranger:
        stranger.send(wire5.publish("devices/wind/set", "{}", 1, packet_id=7))
        assert stranger.expect(wire.PUBACK).body == b"\0\7\x87"
    with wire.connected(room.port) as stranger:
        stranger.publish("devices/wind/set", "{}", 1)
        stranger.ping()


def test_what_was_dropped_is_counted_and_logged_once_a_client(home: Home) -> None:
    with wire.connected(home.port, "noisy") as stranger:  # in a room of its own: complaints have a limit in all
        for number in range(50):
            stranger.publish(f"receipts/{number}", "forged", 1)
        wait_for(lambda: "('noisy') may not publish" in home.log("broker"), what="a line in the log")
        assert home.log("broker").count("('noisy') may not publish") == 1
        stranger.send(wire.subscribe(("$SYS/broker/limits/rights", 0)))
        stranger.expect(wire.SUBACK)
        assert int(stranger.message().payload) >= 50


def test_a_set_past_every_limit_moves_no_device_and_makes_none_deaf(room: Home) -> None:
    stranger = room.client()
    for more in ({}, {"priority": 10**6, "duration": 0}, {"seq": 2**63 - 1, "newest": 2**63 - 1}):
        forged = {"effect_type": "wind", "intensity": 100, "duration": 10**9, "id": "forged", "seq": 1}
        stranger.publish("devices/wind/set", forged | more)
    barrier(stranger)
    stranger.publish("effects/wind", {"id": "mine", "intensity": 20, "duration": 10, "target": "wind"})
    assert stranger.receipt("mine")["status"] == "done"
    assert not any(state["effect_id"] == "forged" for state in stranger.json("devices/wind/state"))


def test_a_forged_ack_settles_nothing(room: Home) -> None:
    room.order("stop", "wind")
    try:
        stranger = room.client()
        stranger.publish("effects/wind", {"id": "held", "ttl_ms": 60_000, "target": "wind", "duration": 10})
        wait_for(lambda: stranger.on("receipts/held"), what="accepted")
        stranger.publish("devices/wind/ack", {"id": "held", "status": "done", "received_at": 1, "done_at": 1})
        barrier(stranger)
        assert [receipt["status"] for receipt in stranger.json("receipts/held")] == ["accepted"]
    finally:
        room.order("start", "wind")
        room.wait_ready()
    assert stranger.receipt("held")["status"] == "done"


def test_a_forged_resume_opens_no_fence_and_a_forged_fence_stops_nothing(room: Home) -> None:
    stranger = room.client()
    room.order("stop", "dispatcher")
    stranger.publish("devices/wind/stop", "x")
    token = wait_for(lambda: stranger.on("devices/wind/fence")[-1:], what="the fence")[0]
    stranger.publish("devices/wind/resume", token)
    stranger.publish("devices/wind/fence", b"", retain=True)
    barrier(stranger)
    late = room.client("devices/wind/fence")
    assert wait_for(lambda: late.on("devices/wind/fence"), what="the fence, still") == [token]
    room.order("start", "dispatcher")
    room.wait_ready()
    wait_for(lambda: stranger.on("devices/wind/fence")[-1:] == [b""], what="the fence open")


@pytest.mark.parametrize("name", ["dispatcher", "broker", "wind", "cli-send-1", "anything"])
@pytest.mark.parametrize("speaks", [wire, wire5], ids=["3.1.1", "5"])
def test_a_client_id_of_the_homes_own_cannot_be_taken_by_port(room: Home, name: str, speaks: Any) -> None:
    pids = room.pids()
    for _ in range(20):
        with speaks.Client(room.port, speaks.connect(own_id(room, name))) as thief:
            connack = thief.expect(wire.CONNACK)
            assert connack.body[1] == (5 if speaks is wire else 0x87)
            assert thief.is_closed()
    assert room.ready()
    client = room.client()
    client.publish("effects/light", {"id": f"after-{name}-{time.monotonic_ns()}", "duration": 1})
    assert room.pids() == pids


def test_whoever_comes_for_a_remote_device_acts_for_it_and_for_no_other(room: Home) -> None:
    listener = room.client()
    device = Client(room.port, "devices/far/set", will=("devices/far/availability", "offline"))
    device.publish("devices/far/availability", "online", retain=True)
    device.publish("devices/wind/availability", "offline", retain=True)
    wait_for(lambda: listener.on("devices/far/availability")[-1:] == [b"online"], what="online")
    listener.publish("effects/wind", {"id": "afar", "target": "far", "duration": 10})
    got = wait_for(lambda: device.json("devices/far/set"), what="set")[0]
    device.publish("devices/far/ack", {"id": got["id"], "status": "done", "received_at": 1, "done_at": 2})
    assert listener.receipt("afar")["status"] == "done"
    device.die()
    wait_for(lambda: listener.on("devices/far/availability")[-1:] == [b"offline"], what="the will")
    assert b"offline" not in listener.on("devices/wind/availability")


def test_a_will_on_a_protected_topic_is_not_sent(room: Home) -> None:
    listener = room.client()
    dying = Client(room.port, "nothing", will=("devices/wind/availability", "offline"))
    dying.die()
    barrier(listener)
    wait_for(lambda: "may not publish 'devices/wind/availability'" in room.log("broker"), what="the log")
    assert b"offline" not in listener.on("devices/wind/availability")


def test_a_driver_has_the_topics_of_its_own_device_and_no_others(room: Home) -> None:
    """By a second connection beside the real one, under a name that is no device's."""
    other = room.program("lamp", "devices/lamp/set", "devices/lamp/stop", "stop-all", "holds/#", "devices/lamp/resume")
    assert other.refused == []
    spy = room.program("lamp-2", "effects/#", "receipts/#", "devices/wind/set", "devices/wind/state", "system/#")
    assert len(spy.refused) == 5
    wide = room.program("lamp-3", "#")  # overlaps what it may hear, and gets no more than that
    listener = room.client()
    other.publish("devices/lamp/state", {"on": False}, retain=True)
    for topic in ("devices/wind/state", "devices/wind/set", "receipts/x", "effects/wind", "system/lamp/state", "any"):
        other.publish(topic, "forged")
    wait_for(lambda: listener.on("devices/lamp/state"), what="its own state")
    room.program("dispatcher-3").publish("devices/lamp-3/set", "{}")
    wait_for(lambda: wide.on("devices/lamp-3/set"), what="its own set")
    assert {topic for topic, _ in wide.heard} == {"devices/lamp-3/set"}
    assert not [topic for topic, payload in listener.heard if payload == b"forged"]


def test_the_dispatcher_says_nothing_in_a_devices_name_and_a_command_line_nothing_in_the_dispatchers(
    room: Home,
) -> None:
    listener, dispatcher, cli = room.client(), room.program("dispatcher-4"), room.program("cli-test-1")
    plain = Client(room.path / "run" / "broker.sock")  # any other program of this user: mosquitto_pub --unix
    room.clients.append(plain)
    for client in (cli, plain):
        for topic in PROTECTED:
            client.publish(topic, "forged")
        barrier(client)
    for word in ("ack", "state", "availability", "fence", "config"):
        dispatcher.publish(f"devices/wind/{word}", "forged")
    dispatcher.publish("receipts/told", "by the dispatcher")
    wait_for(lambda: listener.on("receipts/told"), what="the receipt")
    assert not [topic for topic, payload in listener.heard if payload == b"forged"]


def test_every_client_has_a_corner_of_its_own(room: Home) -> None:
    with wire.connected(room.port, "corner") as one, wire.connected(room.port, "other") as other:
        assert one.subscribe("probe/corner/#") == 0
        one.send(wire.publish("probe/corner/x", "1"))
        assert one.message().payload == "1"
        assert other.subscribe("probe/other/#", 1) == 1


def test_a_device_that_is_added_speaks_at_once_and_one_that_is_taken_out_no_more(home: Home) -> None:
    listener = home.client()
    added = home.effectd("device", "add", "lamp", "--kind", "virtual", "--effect", "light")
    assert added.returncode == 0, added.stderr
    assert wait_for(lambda: listener.on("devices/lamp/availability"), what="its availability")[-1] == b"online"
    assert listener.json("devices/lamp/config")


def test_the_broker_takes_its_rights_from_the_files_as_they_are_now(home: Home) -> None:
    stranger = home.client()
    stranger.publish("devices/elsewhere/state", "1")
    barrier(stranger)
    assert not stranger.on("devices/elsewhere/state")
    home.config["devices"]["elsewhere"] = {"kind": "remote", "effects": ["wind"]}
    home.write()

    def said() -> bool:
        stranger.publish("devices/elsewhere/state", "2")
        barrier(stranger)
        return bool(stranger.on("devices/elsewhere/state"))

    wait_for(said, what="the right of a client that is connected")


def test_another_local_user_gets_in_by_port_alone(room: Home) -> None:
    if os.geteuid() != 0:
        cannot("needs root, to be somebody else for once")
    script = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    )
    command = [sys.executable, "-c", script, str(room.path / "run" / "broker.sock")]
    assert "PermissionError" in subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_a_command_by_socket_needs_no_password_and_one_by_hand_works_too(room: Home) -> None:
    assert room.effectd("send", "light", "20", "--duration", "10").returncode == 0
    with wire.Client(Path(room.path / "run" / "broker.sock"), wire.connect("by-hand")) as client:
        client.expect(wire.CONNACK)
        client.publish("effects/light", json.dumps({"id": "hand", "duration": 10}), 1)


def test_after_a_kill_of_the_broker_all_have_their_places_again(home: Home) -> None:
    home.kill("broker", signal.SIGKILL)
    home.wait_ready()
    client = home.client()
    client.publish("effects/wind", {"id": "again", "duration": 10})
    assert client.receipt("again")["status"] == "done"


def test_a_topic_cannot_forge_lines_in_a_log_or_steer_a_terminal(room: Home) -> None:
    marks = ("\nforged line", "\x1b[31mred", "\r\x1b]0;title\x07", "\u2028next")
    with wire.connected(room.port, "sly\nforged id") as stranger:
        for mark in marks:
            for topic in (f"effects/wi{mark}", f"devices/x{mark}/set", f"receipts/{mark}", f"devices/wind{mark}/stop"):
                stranger.send(wire.publish(topic, "x", 1))
                answer = stranger.receive()
                if answer is None:
                    break
    client = room.client()
    client.publish("effects/wi\x1b[31mnd", {"id": "escape"})
    client.publish("effects/light", {"id": f"after-{time.monotonic_ns()}", "duration": 1})
    barrier(client)
    for path in (room.path / "run" / "log").iterdir():
        text = path.read_text(errors="replace")
        assert "\x1b" not in text, path
        assert not [line for line in text.splitlines() if line.startswith(("forged", "next"))], path


def test_dead_letters_and_receipts_that_are_sent_as_effects_make_no_loop(room: Home) -> None:
    client = room.client()
    for number in range(5):
        client.publish("effects/no-such-type", {"id": f"loop-{number}"})
        client.publish("effects/receipts/x", b"\xff")
    barrier(client)
    wait_for(lambda: len(client.on("receipts/loop-4")) == 1, what="one refusal")

    def letters() -> int:
        return sum(topic.startswith("dead-letters/") and b"loop-" in payload for topic, payload in list(client.heard))

    wait_for(lambda: letters() >= 5, what="a dead letter for each")
    barrier(client)
    assert letters() == 5


def test_the_homes_of_others_cannot_be_announced_here(home: Home) -> None:
    stranger = home.client()
    stranger.publish("system/homes/evil", {"root": ""}, retain=True)
    barrier(stranger)
    home.kill("broker", signal.SIGKILL)
    home.kill("dispatcher", signal.SIGKILL)
    home.wait_ready()


def test_what_stands_in_the_file_and_is_not_in_force_takes_no_right_from_a_running_program() -> None:
    strip = {"kind": "mqtt", "effects": ["light"], "options": {"topic": "strip/$device/set", "off_payload": "dark"}}
    with Home({"strip": strip}) as home:
        home.start()
        home.wait_ready()
        client = home.client("receipts/#", "strip/#", "devices/strip/state")
        home.config["devices"]["strip"]["options"] = {"topic": "elsewhere"}
        home.config["topic_root"] = "another"
        said = home.log("broker").count("are taken in")
        home.write()
        wait_for(lambda: home.log("broker").count("are taken in") > said, what="the file taken in")
        client.publish("effects/light", {"id": "on", "target": "strip", "intensity": 70, "duration": 0})
        assert client.receipt("on")["status"] == "done"
        wait_for(lambda: b"70" in client.on("strip/strip/set"), what="its own topic")
        home.kill("strip")
        wait_for(
            lambda: client.on("strip/strip/set")[-1:] == [b"dark"], what="its last will, on the topic of its start"
        )
