"""What strangers tried, by input, where no other test has just that: the words they get, and where rules stand."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher_proc.open_effect import OpenEffect
from drivers import kinds
from drivers.mqtt import Mqtt, MqttOptions
from effectd.base.errors import DeviceFailed, EffectMalformed, EffectRefused
from effectd.cli.device_group import group
from effectd.config.address import Address
from effectd.messages.published import decode

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"60\0", "a NUL at byte 2: send the text without the zero byte at its end"),
        (b"off\0", "a NUL at byte 3"),
        (b'\xef\xbb\xbf{"intensity": 60}', "it begins with a byte order mark (BOM"),
        ("60".encode("utf-16"), "not UTF-8 but UTF-16"),
    ],
)
def test_a_byte_that_nobody_can_see_is_named(payload, told):
    with pytest.raises(EffectMalformed) as caught:
        decode(payload, "wind")
    assert told in str(caught.value)


@pytest.mark.parametrize("payload", [b"off\r\n", b"off\n", b" off ", b"\toff"])
def test_blanks_and_line_ends_around_a_word_do_not_matter(payload):
    assert decode(payload, "wind").intensity == "off"


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ('{"id": 42}', "id: text of 1 to 64 characters of A-Z a-z 0-9 . _ : - (a number in quotes)"),
        ('{"color": "red"}', 'color: belongs into parameters: {"parameters": {"color": ...}}'),
        ('{"colour": "red"}', 'said by "parameters": {"color": ...}'),
        ('{"state": "ON", "brightness": 128}', 'state: unknown field; that is said by "intensity": "on" or "off"'),
        ('{"brightness": 128}', 'brightness: unknown field; that is said by "intensity", from 0 to 100'),
        ('{"device": "fan"}', 'said by "target"'),
        ('{"duration": "100"}', "duration: a whole number of ms"),
        ('{"intensity": -5}', "intensity: a number from 0 to 100"),
        ('{"parameters": {"rgb": [300, 0, 0]}}', "parameters.rgb: a list of three whole numbers from 0 to 255"),
        ('{"parameters": {"color": "#f80"}}', "parameters.color: #RRGGBB, a colour name of CSS"),
    ],
)
def test_what_others_write_is_refused_with_what_is_to_be_written_here(payload, told):
    with pytest.raises(EffectRefused) as caught:
        decode(payload.encode(), "wind")
    assert told in str(caught.value)
    assert "Expected" not in str(caught.value)


@pytest.mark.parametrize(("given", "hint"), [(1_700_000_000, True), (1_700_000_000_000, False)])
def test_an_expires_at_in_seconds_is_told_to_be_in_seconds(given, hint):
    effect = decode(f'{{"expires_at": {given}}}'.encode(), "wind")
    assert ("looks like seconds" in OpenEffect(effect, "", "effects/wind", b"", 0.0).past) is hint


# --- a device's own broker ------------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Iterator[int]:
    """The port of a broker that closes a connection at the first message that is published there."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"\x20\x02\x00\x00")
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_broker_that_ends_the_connection_at_a_message_is_not_said_to_be_silent(strict):
    driver = Mqtt("lamp", MqttOptions(topic="a"), Address("127.0.0.1", strict))
    driver.open()
    try:
        with pytest.raises(DeviceFailed) as caught:
            driver.off()
        assert "closed the connection" in str(caught.value)
    finally:
        driver.close()


# --- what is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "rule"),
    [
        ("README.md", "the newest wins, and nothing that it replaced comes back"),
        ("README.md", "`off` ends whatever is on"),
        ("README.md", '"This machine" is `127.0.0.1` and `::1`'),
        ("README.md", "has at most 61 bytes: Linux allows 107"),
        ("README.md", "**Upgrade:** `effectd down`"),
        ("README.md", "**Backup:** copy `config.yaml`, `supervisor.conf`"),
        ("README.md", "**Uninstall:** `effectd down`"),
        ("README.md", "`supervisorctl status` only `PermissionError`"),
        ("CONTRIBUTING.md", "the tests of units and of the broker, two minutes"),
        ("docs/contract.md", "(further levels are ignored)"),
        ("docs/contract.md", "Nothing that was replaced comes back"),
        ("docs/configuration.md", "`127.0.0.1` is both loopback addresses, `::1` too"),
    ],
)
def test_a_rule_that_nobody_would_guess_stands_where_it_is_looked_for(page, rule):
    assert rule in " ".join((REPOSITORY / page).read_text().split())


def test_the_help_of_device_add_names_every_kind():
    said = CliRunner().invoke(group, ["add", "--help"], env={"COLUMNS": "200"}).stdout
    assert [kind for kind in (*kinds.OWN, "remote") if kind not in said] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts of this one, with a Python that says what pip would say while it installs, and no more."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    shutil.copytree(REPOSITORY / "requirements", tmp_path / "requirements")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\ncase $* in *require-hashes*) echo 'Collecting amqtt==1 (from x)';; esac\n")
    python.chmod(0o755)
    return tmp_path


def run(checkout: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    return done.stderr


def test_an_installation_says_how_much_it_is_and_names_each_package(checkout):
    said = run(checkout, "scripts/venv").splitlines()
    assert said[0].startswith("installing the ")
    assert "packages of requirements/run.lock" in said[0]
    assert said[1] == "  amqtt==1"


def test_the_tests_say_how_long_they_take_before_they_start(checkout):
    run(checkout, "scripts/venv", "dev")
    assert "about two minutes on two cores" in run(checkout, "scripts/test")
