"""`effectd stop`: everything off, whatever else is dead."""

import contextlib
import re
import signal

from tests.system.home import Home, wait_for


def test_stop_turns_every_device_off_and_says_so_by_mqtt_as_well(shared_home: Home) -> None:
    client = shared_home.client()
    for effect in ("wind", "light"):
        assert shared_home.effectd("send", effect, "--duration", "0").returncode == 0
    wait_for(lambda: client.state("wind")["on"] and client.state("light")["on"], what="both on")
    done = shared_home.effectd("stop")
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == ["light  off", "scent  off", "vibration  off", "wind  off"]
    assert done.stderr == ""
    wait_for(lambda: not client.state("wind")["on"] and not client.state("light")["on"], what="both off")
    assert client.on("stop-all")


def test_stop_of_one_device_leaves_the_others_on(shared_home: Home) -> None:
    client = shared_home.client()
    for effect in ("wind", "light"):
        assert shared_home.effectd("send", effect, "--duration", "0").returncode == 0
    done = shared_home.effectd("stop", "wind")
    assert (done.returncode, done.stdout) == (0, "wind  off\n")
    wait_for(lambda: not client.state("wind")["on"], what="wind off")
    assert client.state("light")["on"]
    assert client.on("devices/wind/stop")
    assert not client.on("stop-all")


def test_stop_works_with_broker_and_dispatcher_dead(up_home: Home) -> None:
    assert up_home.effectd("send", "wind", "70", "--duration", "0").returncode == 0
    up_home.ctl("stop", "dispatcher", "broker")
    done = up_home.effectd("stop")
    assert done.returncode == 0
    assert "wind  off" in done.stdout
    assert "not sent by MQTT: cannot connect" in done.stderr
    assert "dispatcher: it does not run" in done.stderr
    assert re.findall(r"(wind 70 %|off)", up_home.log("wind"))[-1] == "off"


def test_stop_works_with_a_configuration_that_cannot_be_read(up_home: Home) -> None:
    assert up_home.effectd("send", "wind", "70", "--duration", "0").returncode == 0
    (up_home.path / "config.yaml").write_text("devices: [")
    done = up_home.effectd("stop")
    assert done.returncode == 78
    assert "wind  off" in done.stdout
    assert re.findall(r"(wind 70 %|off)", up_home.log("wind"))[-1] == "off"


def test_stop_exits_1_when_a_driver_does_not_confirm(up_home: Home) -> None:
    up_home.ctl("stop", "wind")
    up_home.kill("light", signal.SIGSTOP)
    try:
        done = up_home.effectd("stop")
    finally:
        with contextlib.suppress(ProcessLookupError):  # the watchdog may be ending it at this moment
            up_home.kill("light", signal.SIGCONT)
    assert done.returncode == 1
    assert "wind  unconfirmed: it does not run" in done.stdout
    assert "light  unconfirmed: " in done.stdout  # no answer in 2 s, or ended by the watchdog at that moment
    assert "scent  off" in done.stdout


def test_stop_of_an_unknown_device_is_a_usage_error_that_names_those_that_are_known(own_home: Home) -> None:
    done = own_home.effectd("stop", "fan")
    assert done.returncode == 2
    assert "no device 'fan'; known: light, wind, vibration, scent" in done.stderr
