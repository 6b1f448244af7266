"""Another broker with TLS, passwords and rights: the ACL of docs/brokers.md as it stands, and less than that."""

import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.needs import need
from tests.system.home import REPOSITORY, Client, Home, wait_for
from tests.system.test_external import Mosquitto, broker, certificates, on

PAGE = (REPOSITORY / "docs" / "brokers.md").read_text()
SHOWN = re.search(r"<!-- tests/system/test_acl.py [^\n]*-->\n```\n(.*?)```", PAGE, re.S)
assert SHOWN is not None
ACL = SHOWN[1]
USERS = re.findall(r"^user (\S+)$", ACL, re.M)


class Guarded:
    """A mosquitto that lets nobody in without TLS and password."""

    def __init__(self, mosquitto: Mosquitto, folder: Path) -> None:
        self.port, self.ca = mosquitto.port, str(folder / "ca.crt")
        self.mosquitto, self._acl = mosquitto, folder / "acl"

    def give(self, acl: str) -> None:
        self._acl.write_text(acl)
        self.mosquitto.send(signal.SIGHUP)

    def section(self, user: str, **more: Any) -> dict[str, Any]:
        return on(self.port, username=user, password_env="ROOM_PASSWORD", tls={"cafile": self.ca}, **more)

    def client(self, user: str, *topics: str) -> Client:
        return Client(self.port, *topics, login=(user, "secret"), ca=self.ca)


@contextmanager
def guarded(acl: str, also: Mapping[str, int] = MappingProxyType({})) -> Iterator[Guarded]:
    """`also`: further addresses of this machine at which it listens, and the port at each."""
    need("mosquitto_passwd", "mosquitto")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        certificates(folder, *also)
        (folder / "acl").write_text(acl)
        (folder / "passwords").touch(0o644)
        for user in USERS:
            command = ["mosquitto_passwd", "-b", str(folder / "passwords"), user, "secret"]
            subprocess.run(command, check=True, capture_output=True)
        for path in folder.iterdir():
            path.chmod(0o644)
        lines = (f"acl_file {name}/acl", f"password_file {name}/passwords", "allow_anonymous false")
        tls = (f"cafile {name}/ca.crt", f"certfile {name}/server.crt", f"keyfile {name}/server.key")
        others = [line for address, port in also.items() for line in (f"listener {port} {address}", *tls)]
        with broker(*lines, *tls, *others) as mosquitto:
            yield Guarded(mosquitto, folder)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOM_PASSWORD", "secret")


def test_a_home_its_drivers_elsewhere_a_player_and_a_microcontroller_live_by_the_rights_of_the_page() -> None:
    here: dict[str, Any] = {
        "wind": None,
        "fan": {"kind": "remote", "effects": ["wind"]},
        "lamp": {"kind": "remote", "effects": ["flash"], "options": {"ack": False}},
    }
    there: dict[str, Any] = dict.fromkeys(("light", "wind", "vibration", "scent"))
    there["fan"] = {"kind": "virtual", "effects": ["wind"]}
    with ExitStack() as stack:
        other = stack.enter_context(guarded(ACL))
        main = stack.enter_context(Home(here, broker=other.section("room")))
        far = stack.enter_context(Home(there, broker=other.section("far"), dispatcher=False))
        main.config["effects"]["flash"] = {}
        main.write()
        main.start()
        far.start()
        main.wait_ready()
        far.wait_ready()
        assert main.line("broker")["reason"] == ""
        anna = other.client("anna", "receipts/#", "devices/#", "holds/#")
        stack.callback(anna.close)
        controller = other.client("fan-esp", "devices/lamp/set", "stop-all", "devices/fan/set")
        stack.callback(controller.close)
        wait_for(lambda: anna.on("devices/fan/availability")[-1:] == [b"online"], what="the fan elsewhere online")

        anna.publish("effects/wind", {"id": "far", "intensity": 30, "duration": 0})
        assert anna.receipt("far")["status"] == "done"
        wait_for(lambda: (anna.state("fan") or {}).get("on"), what="its state")
        anna.publish("effects/flash", {"id": "esp", "intensity": 30, "duration": 50})
        assert anna.receipt("esp")["status"] == "done"
        assert wait_for(lambda: controller.json("devices/lamp/set"), what="a set")[0]["intensity"] == 30
        assert controller.on("devices/fan/set") == [], "it may hear what is for itself"

        anna.publish("holds/anna", "stand back")
        wait_for(lambda: not anna.state("fan")["on"], what="held and off")
        anna.publish("effects/wind", {"id": "held", "intensity": 30})
        assert "held by anna: stand back" in anna.receipt("held")["reason"]
        anna.publish("holds/anna", "")
        anna.publish("devices/fan/set", {"effect_type": "wind", "intensity": 99, "duration": 0})  # not hers to say
        anna.publish("effects/wind", {"id": "last", "intensity": 20, "duration": 0})
        assert anna.receipt("last")["status"] == "done"
        assert "wind 99 %" not in far.log("fan")
        anna.publish("stop-all", "")
        wait_for(lambda: not anna.state("fan")["on"], what="stopped and off")
        sent = main.effectd("send", "wind", "20", "--duration", "50ms")
        assert sent.returncode == 0, sent.stdout + sent.stderr


@pytest.mark.parametrize(
    ("taken", "state"),
    [
        (("effects/#", "devices/#"), "degraded"),
        (("holds/#", "timelines/#"), "ready"),
        (("probe/#", "receipts/#"), "degraded"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_the_topics_to_which_a_right_is_missing_are_named(taken: tuple[str, ...], state: str) -> None:
    less = "".join(line for line in ACL.splitlines(keepends=True) if line.split()[-1:] not in [[one] for one in taken])
    with guarded(less) as other, Home(broker=other.section("room")) as home:
        home.start()

        def said() -> Any:
            line = home.line("broker")
            return line if line and "nothing comes back" in line["reason"] else None

        line = wait_for(said, 25, "the topics")
        assert line["state"] == state
        named = re.search(r"nothing comes back on (.*?): has this user rights", line["reason"])
        assert named is not None
        assert set(named[1].split(", ")) == set(taken)


def test_a_right_that_is_given_meanwhile_mends_it() -> None:
    less = "".join(line for line in ACL.splitlines(keepends=True) if line.split()[-1:] != ["effects/#"])
    with guarded(less) as other, Home(broker=other.section("room")) as home:
        home.start()
        wait_for(lambda: "effects/#" in (home.line("broker") or {"reason": ""})["reason"], 25, "the topic")
        other.give(ACL)
        home.wait_ready(40)
