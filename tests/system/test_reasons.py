"""The reason that is shown is the cause: rights at somebody else's broker, a password that is missing, a wrong line."""

import tempfile
from pathlib import Path

import pytest

from tests.system.home import Home, wait_for
from tests.system.test_external import broker, on

OURS = ("effects/#", "receipts/#", "dead-letters/#", "devices/#", "stop-all", "system/#", "probe/#")


def reason(home: Home, program: str) -> str:
    return str((home.line(program) or {}).get("reason", ""))


def test_rights_that_are_missing_at_an_external_broker_are_thought_of() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        rights = Path(folder) / "acl"
        rights.write_text("topic readwrite effects/#\n")
        folder_of_all = Path(folder)
        folder_of_all.chmod(0o755)
        with broker(f"acl_file {rights}") as mosquitto, Home(broker=on(mosquitto.port)) as home:
            home.start()
            wait_for(lambda: "rights" in reason(home, "broker"), 20, "the cause")


def test_the_rights_that_the_page_names_are_enough() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        rights = Path(folder) / "acl"
        rights.write_text("".join(f"topic readwrite {topic}\n" for topic in OURS))
        Path(folder).chmod(0o755)
        page = (Path(__file__).resolve().parents[2] / "docs" / "brokers.md").read_text()
        assert rights.read_text() in page
        with broker(f"acl_file {rights}") as mosquitto, Home(broker=on(mosquitto.port)) as home:
            home.start()
            home.wait_ready()
            assert home.effectd("send", "wind", "20", "--duration", "50ms").returncode == 0


def test_a_password_that_is_not_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOM_PW", raising=False)
    with broker() as mosquitto:
        external = on(mosquitto.port, username="room", password_env="ROOM_PW")
        with Home(broker=external) as home:
            home.start()
            wait_for(lambda: "the environment has no ROOM_PW" in reason(home, "broker"), what="the variable")
            done = home.effectd("send", "wind", "20")
            assert done.returncode == 69
            assert "the environment has no ROOM_PW" in done.stderr
            assert "effectd up" not in done.stderr


def test_a_wrong_line_of_one_device_is_shown_by_health() -> None:
    with Home({"fan": {"kind": "virtul", "effects": ["wind"]}}) as home:
        home.start()
        wait_for(lambda: "did you mean virtual?" in home.log("fan"), what="its end")

        def row() -> str:
            return next(line for line in home.effectd("health").stdout.splitlines() if line.startswith("fan"))

        wait_for(lambda: "did you mean virtual?" in row(), what="the cause")
        assert "config.yaml:" in row()
