"""`effectd user ...` and `effectd certificate` in a home that runs: in force at once, nothing secret anywhere."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from effectd.access import passwords
from effectd.config import reader
from tests.broker import wire
from tests.system.home import REPOSITORY, Client, Home, wait_for
from tests.system.test_readme import blocks, commands

SECRET = "a secret that is nowhere"


def add(home: Home, name: str, *rights: str, secret: str = SECRET) -> None:
    done = home.effectd("user", "add", name, *rights, input=secret + "\n")
    assert done.returncode == 0, done.stderr


def test_a_user_that_is_added_sends_effects_and_hears_receipts_and_one_that_is_removed_is_out(home: Home) -> None:
    before = home.client()
    pids = home.pids()
    add(home, "anna")
    wait_for(lambda: not before._client.is_connected(), what="the end of those without a login")
    anna = Client(home.port, "receipts/#", "devices/wind/state", login=("anna", SECRET))
    home.clients.append(anna)
    assert anna.refused == []
    anna.publish("effects/wind", {"id": "first", "intensity": 40, "duration": 10})
    assert anna.receipt("first")["status"] == "done"
    assert home.effectd("send", "wind", "20", "--duration", "10").returncode == 0, "by the socket, without a login"
    assert home.effectd("stop").returncode == 0
    again = home.effectd("user", "add", "anna", input="another\n")
    assert "has another password" in again.stdout
    wait_for(lambda: not anna._client.is_connected(), what="the end of the old login")
    with wire.connected(home.port, username="anna", password="another") as known:
        listed = home.effectd("user", "list").stdout
        assert listed.splitlines()[1].split()[:3] == ["anna", "yes", "publishes"]
        assert home.effectd("user", "remove", "anna").returncode == 0
        assert known.is_closed()
    assert home.effectd("user", "remove", "anna").returncode == 78
    assert passwords.read(home.path) == {}
    assert home.pids() == pids, "nothing was restarted"
    with wire.connected(home.port) as anybody:
        anybody.ping()


def test_a_microcontroller_with_a_user_of_its_own_is_a_device(home: Home) -> None:
    assert home.effectd("device", "add", "far", "--kind", "remote", "--effect", "wind").returncode == 0
    add(home, "fan-esp", "--device", "far")
    add(home, "anna")
    anna = Client(home.port, "receipts/#", "devices/#", login=("anna", SECRET))
    esp = Client(
        home.port,
        "devices/far/set",
        "stop-all",
        login=("fan-esp", SECRET),
        will=("devices/far/availability", "offline"),
    )
    home.clients += [anna, esp]
    esp.publish("devices/far/availability", "online", retain=True)
    wait_for(lambda: anna.on("devices/far/availability") == [b"online"], what="online")
    anna.publish("effects/wind", {"id": "far-1", "target": "far"})
    got = wait_for(lambda: esp.json("devices/far/set"), what="set")[0]
    esp.publish("devices/far/ack", {"id": got["id"], "status": "done", "received_at": 1, "done_at": 2})
    assert anna.receipt("far-1")["status"] == "done"
    esp.die()
    wait_for(lambda: anna.on("devices/far/availability")[-1:] == [b"offline"], what="the will")


def test_no_password_is_in_a_log_a_file_a_process_list_or_a_retained_message(home: Home) -> None:
    add(home, "anna", "--subscribe", "#", "--publish", "#")
    with wire.Client(home.port, wire.connect("x", username="anna", password=SECRET + "!")) as wrong:
        assert wrong.expect(wire.CONNACK).body == b"\0\4"
    anna = Client(home.port, login=("anna", SECRET))
    home.clients.append(anna)
    anna.publish("effects/wind", {"id": "x", "duration": 10})
    anna.receipt("x")
    for path in home.path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    for pid in home.pids().values():
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert not [topic for topic, payload in anna.heard if SECRET.encode() in payload]
    assert (home.path / passwords.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "secret", "code", "said"),
    [
        (["add", "a b"], "x", 2, "a user's name is"),
        (["add", "anna", "--device", "wind"], "x", 78, "'wind' is not a device of `kind: remote`"),
        (["add", "anna", "--publish", "a#"], "x", 78, "no topic filter"),
        (["add", "anna"], "", 78, "a password is 1 to 1024 bytes long"),
        (["add", "anna"], "x" * 1025, 78, "a password is 1 to 1024 bytes long"),
        (["remove", "anna"], "", 78, "no user 'anna'; known: none"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(
    arguments: list[str], secret: str, code: int, said: str
) -> None:
    with Home() as home:
        before = (home.path / reader.FILE).read_bytes()
        done = home.effectd("user", *arguments, input=secret)
        assert done.returncode == code
        assert said in " ".join(done.stderr.split())
        assert (home.path / reader.FILE).read_bytes() == before
        assert not (home.path / passwords.FILE).exists()


def test_open_to_the_network_it_starts_after_two_commands_and_not_before() -> None:
    with Home() as home:
        home.config["broker"]["host"] = "0.0.0.0"
        home.write()
        refused = home.effectd("up")
        assert refused.returncode == 78
        assert "broker.host: 0.0.0.0 lets anyone on the network move the devices: it needs users" in refused.stderr
        assert "effectd user add NAME, then: effectd certificate" in refused.stderr
        added = home.effectd("user", "add", "anna", input=SECRET)
        assert "still to do: " in added.stdout
        assert "effectd certificate" in added.stdout
        assert home.effectd("up").returncode == 78
        made = home.effectd("certificate")
        assert made.returncode == 0, made.stderr
        started = home.effectd("up")
        assert started.returncode == 0, started.stdout + started.stderr
        home.pids()
        if shutil.which("mosquitto_pub"):
            ca = str(home.path / "certificates" / "ca.pem")
            command = ["mosquitto_pub", "-h", "localhost", "-p", str(home.port), "--cafile", ca, "-q", "1"]
            command += ["-u", "anna", "-P", SECRET, "-t", "effects/wind", "-m", "60"]
            subprocess.run(command, check=True, timeout=20)
            wait_for(lambda: "wind 60 %" in home.log("wind"), what="the wind")
        last = home.effectd("user", "remove", "anna")
        assert last.returncode == 78
        assert "needs users" in last.stderr
        assert "anna" in home.effectd("user", "list").stdout
        home.effectd("down")


def test_the_commands_and_the_section_shown_for_security_work(home: Home) -> None:
    shown = commands(REPOSITORY / "docs" / "security.md")
    assert len(shown) == 2
    for command in shown:
        program, *arguments = shlex.split(command)
        assert program == "effectd"
        done = home.effectd(*arguments, input=SECRET)
        assert done.returncode == 0, done.stderr
    section, page = blocks(REPOSITORY / "docs" / "security.md", "yaml")
    tree = reader.load(home.path, f"{section}{page}effects: {{wind: {{}}, light: {{}}}}".encode())
    assert tree.errors == ()
    assert set(tree.broker.users) == {"anna", "fan-esp", "room2"}
    assert tree.page is not None
    assert tree.page.tls is not None
    assert (home.path / str(tree.page.tls.certfile)).is_file()


def test_a_home_of_drivers_alone_needs_no_more_than_the_right_to_its_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hosts with drivers, each with a user; both probe the broker under the same root at one time."""
    here = {name: {"kind": "remote", "effects": ["wind"]} for name in ("one", "two")}
    nothing = {"light": None, "wind": None, "vibration": None, "scent": None}
    with Home(here) as main:
        for name in ("one", "two"):
            add(main, f"host-{name}", "--device", name)
        add(main, "anna")
        main.start()
        wait_for(lambda: (x := main.line("dispatcher")) and x["state"] == "ready", what="the dispatcher")
        monkeypatch.setenv("FAR_PASSWORD", SECRET)
        external = {"host": "127.0.0.1", "port": main.port, "password_env": "FAR_PASSWORD"}
        fars = [
            Home(
                nothing | {name: {"kind": "virtual", "effects": ["wind"]}},
                broker={"embedded": False, "external": external | {"username": f"host-{name}"}, "port": main.port},
                dispatcher=False,
            )
            for name in ("one", "two")
        ]
        with fars[0], fars[1]:
            for far in fars:
                far.start()
            for far in fars:
                far.wait_ready()
            anna = Client(main.port, "receipts/#", "devices/#", login=("anna", SECRET))
            main.clients.append(anna)
            for name in ("one", "two"):
                wait_for(lambda name=name: anna.on(f"devices/{name}/availability")[-1:] == [b"online"], what="online")
                anna.publish("effects/wind", {"id": f"e-{name}", "target": name, "duration": 10})
                assert anna.receipt(f"e-{name}")["status"] == "done"
            assert "may not publish" not in main.log("broker")
