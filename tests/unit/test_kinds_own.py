"""serial, gpio, http: wrong options are told, a missing extra names its cure, and a dry run touches nothing."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers import kinds
from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.address import Address
from effectd.driver import Driver, Options
from effectd.messages.effect import Effect

ROOT = Path(__file__).resolve().parents[2]


def build(home: Path, kind: str, options: dict[str, Any], **device: Any) -> Driver:
    devices = {"fan": {"kind": kind, "effects": ["wind"], "options": options, **device}}
    (home / "config.yaml").write_text(yaml.safe_dump({"devices": devices, "effects": {"wind": {}}}))
    return kinds.build("fan", reader.load(home))


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("serial", {}, "port"),
        ("serial", {"port": "usb:2341"}, "usb:VID:PID, both hexadecimal"),
        ("serial", {"port": "usb:2341:uno"}, "usb:VID:PID, both hexadecimal"),
        ("serial", {"port": "auto", "protocol": "ser", "index": 46}, "46 is the byte that ends a frame"),
        ("serial", {"port": "auto", "protocol": "ser", "leds": 46}, "46 is the byte that ends a frame"),
        ("serial", {"port": "auto", "protocol": "morse"}, "morse"),
        ("serial", {"port": "auto", "shared": True, "expect": "OK"}, "may be another device's"),
        ("serial", {"port": "auto", "line": r"WIND $level\q"}, r"\q means nothing here"),
        ("serial", {"port": "auto", "line": "WIND $speed"}, "$speed is not known here"),
        ("serial", {"port": "auto", "off": "WIND $level"}, "known are $device"),
        ("gpio", {}, "pin"),
        ("gpio", {"pin": 18, "mode": "servo"}, "servo"),
        ("gpio", {"pin": 18, "min_duty": 130}, "from 0 to 100, not 130"),
        ("http", {"url": "http://plug/on"}, "say what switches it off"),
        ("http", {"url": "plug/on", "off_url": "http://plug/off"}, "http://host/... or https://host/..."),
        ("http", {"url": "ftp://plug/on", "off_url": "http://plug/off"}, "http://host/... or https://host/..."),
        ("http", {"url": "http://plug/a b", "off_url": "http://plug/off"}, "%20 for a space"),
        ("http", {"url": "http://plug/on", "off_url": "http://plug:http/off"}, "http"),
        ("http", {"url": "http://me:secret@plug/on", "off_body": "0"}, "no password here"),
        ("http", {"url": "http://$param_host/on", "off_body": "0"}, "known are $device"),
        ("http", {"url": "http://plug/$level"}, "say what switches it off"),
        ("http", {"url": "http://plug/$level", "off_body": "0"}, "known are $device"),
        ("http", {"url": "http://plug/", "off_body": "0", "headers": {"X-A": "1\r\nX-B: 2"}}, "headers: X-A"),
        ("http", {"url": "http://plug/", "off_body": "0", "headers": {"X A": "1"}}, "headers: X A"),
        ("http", {"url": "http://plug/", "off_body": "0", "user": "me", "token_env": "TOKEN"}, "give one of them"),
        ("http", {"url": "http://plug/", "off_body": "0", "expect": [700]}, "from 100 to 599"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_opened(home, kind, options, told):
    with pytest.raises(ConfigError) as caught:
        build(home, kind, options)
    assert told in str(caught.value)
    assert caught.value.key.startswith("devices.fan.options")


@pytest.mark.parametrize(
    ("device", "key", "told"),
    [
        ({"range": [80, 20]}, "range", "low below high"),
        ({"range": [0, 101]}, "range", "from 0 to 100"),
        ({"range": [10]}, "range", "a list of 2"),
        ({"curve": 0}, "curve", "from 0.1 to 10"),
        ({"dry_run": "maybe"}, "dry_run", "true or false"),
        ({"kind": "remote", "dry_run": True}, "dry_run", "in the home in which that runs"),
        ({"kind": "remote", "range": [10, 90]}, "range", "in the home in which that runs"),
    ],
)
def test_a_wrong_range_curve_or_dry_run_is_told_at_its_line(home, device, key, told):
    with pytest.raises(ConfigError) as caught:
        build(home, device.pop("kind", "virtual"), {}, **device)
    assert caught.value.key == f"devices.fan.{key}"
    assert told in caught.value.problem
    line = (home / "config.yaml").read_text().splitlines()[int(str(caught.value).split(":")[1]) - 1]
    assert line.strip().startswith(f"{key}:")


@pytest.mark.parametrize(("kind", "module", "extra"), [("serial", "serial", "serial"), ("gpio", "gpiozero", "gpio")])
def test_a_missing_extra_is_told_at_the_kind_with_the_command_that_installs_it(home, monkeypatch, kind, module, extra):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    for file in (kinds.FILES.get(kind, kind), "serial_port"):
        monkeypatch.delitem(sys.modules, f"drivers.{file}", raising=False)
    with pytest.raises(ConfigError) as caught:
        build(home, kind, {"port": "auto", "pin": 1})
    assert caught.value.key == "devices.fan.kind"
    assert f"pip install 'effectd[{extra}]'" in caught.value.problem
    assert caught.value.device == "fan"


# --- dry run ----------------------------------------------------------------------------------------------------


class Own(Driver):
    """A user's driver that knows nothing of dry runs."""

    def open(self) -> None:
        raise AssertionError("touched")

    apply = off = close = check = open


def play(driver: Driver) -> None:
    driver.open()
    driver.off()
    driver.apply(Effect(id="e-1", effect_type="wind", intensity=60.0, duration=2000, parameters={"slot": 2}))
    driver.off()
    driver.close()


def test_a_dry_run_logs_the_very_bytes_and_never_opens_the_device(home, caplog):
    caplog.set_level(logging.INFO)
    driver = build(home, "serial", {"port": "/dev/nobody", "line": r"WIND $level\n", "off": r"WIND 0\n"}, dry_run=True)
    play(driver)
    assert [record.getMessage() for record in caplog.records] == [
        "dry run: the device is not opened and not touched",
        r"dry run: b'WIND 0\n'",
        r"dry run: b'WIND 60\n' (effect e-1)",
        r"dry run: b'WIND 0\n'",
    ]
    assert {record.name for record in caplog.records} == {"fan"}


def test_a_dry_run_of_a_driver_that_does_not_use_out_calls_nothing_of_it(home, caplog):
    caplog.set_level(logging.INFO)
    play(kinds.dry(Own("fan", Options(), Address(host="here"))))
    assert [record.getMessage() for record in caplog.records] == [
        "dry run: the device is not opened and not touched",
        "dry run: off",
        "dry run: wind 60 % {'slot': 2} for 2000 ms (effect e-1)",
        "dry run: off",
    ]


def test_the_secrets_of_a_device_are_not_needed_in_a_dry_run_and_never_logged(home, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setitem(os.environ, "PLUG_PASSWORD", "sesame")
    auth = {"user": "admin", "password_env": "PLUG_PASSWORD", "token_env": None}
    play(build(home, "http", {"url": "http://plug/on", "off_url": "http://plug/off", **auth}, dry_run=True))
    assert "dry run: GET http://plug/on (effect e-1)" in caplog.messages
    assert "sesame" not in caplog.text
