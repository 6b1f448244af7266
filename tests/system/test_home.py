"""A home of one's own, made by `effectd init`: it works, and devices are added to it while it runs."""

import json
from collections.abc import Iterator

import pytest

from tests.system.home import wait_for
from tests.system.init_home import InitHome

FAN = ("fan", "--kind", "virtual", "--effect", "wind", "--location", "left")
DRIVER = """\
from effectd.driver import Driver


class Own(Driver):
    effects = ("scent",)

    def open(self):
        {open}

    def apply(self, effect):
        self.log.info("it smells of %s", effect.parameters["scent"])

    def off(self):
        pass
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[InitHome]:
    """A made home that runs, whose tests add devices of different names."""
    with InitHome() as home:
        home.up()
        yield home


def add(home: InitHome, *arguments: str) -> str:
    """`device add`, by which nothing else may be started anew."""
    before = home.pids()
    done = home.effectd("device", "add", *arguments)
    after = home.pids()
    assert done.returncode == 0, done.stdout + done.stderr
    after.pop(arguments[0], None)
    assert after == before
    return done.stdout


def devices_of(home: InitHome, *arguments: str) -> dict[str, str]:
    """What each device made of an effect."""
    done = home.effectd("send", *arguments, "--json")
    receipt: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return receipt["devices"]


def test_a_made_home_starts_takes_an_effect_and_ends_without_a_trace() -> None:
    with InitHome("my room's #1 ; (a)") as home:
        home.up()
        done = home.effectd("send", "wind", "60", "--duration", "100")
        assert done.returncode == 0, done.stdout + done.stderr
        assert home.ctl("health").returncode == 0
        assert home.effectd("down").returncode == 0
        assert home.left() == []


def test_a_device_added_to_a_running_home_is_ready_and_has_the_next_effect(shared: InitHome) -> None:
    text = (shared.path / "config.yaml").read_text()
    said = add(shared, *FAN)
    assert "fan is ready (" in said
    assert shared.line("fan")["state"] == "ready"
    assert devices_of(shared, "wind", "60") == {"wind": "done", "fan": "done"}
    wait_for(lambda: "wind 60 %" in shared.log("fan"))
    kept = [line for line in text.splitlines() if "#" in line]
    assert [line for line in (shared.path / "config.yaml").read_text().splitlines() if "#" in line] == kept
    assert shared.effectd("check").returncode == 0


def test_a_driver_file_of_the_homes_own_is_a_device_of_it(shared: InitHome) -> None:
    (shared.path / "nose.py").write_text(DRIVER.format(open="self.log.info('opened')"))
    add(shared, "nose", "--kind", "nose")
    assert devices_of(shared, "scent", "--param", "scent=pine") == {"scent": "done", "nose": "done"}
    wait_for(lambda: "it smells of pine" in shared.log("nose"))


def test_a_remote_device_needs_no_program_and_the_dispatcher_knows_it(shared: InitHome) -> None:
    add(shared, "far", "--kind", "remote", "--effect", "vibration", "--option", "ack=false")
    client = shared.client("devices/far/set")
    assert devices_of(shared, "vibration", "30") == {"vibration": "done", "far": "done"}
    wait_for(lambda: client.on("devices/far/set"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("wind", "--kind", "virtual", "--effect", "wind"),
        ("new", "--kind", "nobody", "--effect", "wind"),
        ("new", "--kind", "virtual", "--effect", "wnd"),
        ("new", "--kind", "virtual", "--effect", "wind", "--option", "apply_ms=soon"),
        ("new", "--kind", "virtual", "--effect", "wind", "--location", "nowhere"),
        ("New", "--kind", "virtual", "--effect", "wind"),
    ],
)
def test_a_wrong_definition_changes_no_byte_and_no_process(shared: InitHome, arguments: tuple[str, ...]) -> None:
    files, pids = shared.files(), shared.pids()
    done = shared.effectd("device", "add", *arguments)
    assert done.returncode == 78
    assert done.stderr.endswith("nothing was changed\n")
    assert (shared.files(), shared.pids()) == (files, pids)


def test_sections_that_wait_to_be_taken_in_are_left_waiting(shared: InitHome) -> None:
    """Only `update` or a restart may change what somebody else has written there."""
    conf = shared.path / "supervisor.conf"
    text = conf.read_text()
    conf.write_text(text.replace("stopwaitsecs=5", "stopwaitsecs=4") + "\n[program:sleeper]\ncommand=sleep 600\n")
    try:
        add(shared, "fan2", "--kind", "virtual", "--effect", "wind")
        assert "sleeper" not in shared.pids()
    finally:
        conf.write_text(conf.read_text().replace("stopwaitsecs=4", "stopwaitsecs=5"))
        conf.write_text(conf.read_text().replace("\n[program:sleeper]\ncommand=sleep 600\n", ""))


def test_a_device_that_does_not_come_up_is_there_and_told_with_its_reason(shared: InitHome) -> None:
    (shared.path / "deaf.py").write_text(DRIVER.format(open="raise OSError('no such port')"))
    before = shared.pids()
    impatient = "from effectd import cli; from effectd.cli import device; device.READY_S = 1.0; cli.main()"
    done = shared.tool("python", "-c", impatient, "device", "add", "deaf", "--kind", "deaf")
    assert done.returncode == 3
    assert done.stdout.startswith("deaf is in config.yaml and in supervisor.conf\npeople breathe it: ")
    assert done.stderr.startswith("deaf is ")
    assert "no such port" in done.stderr
    after = shared.pids()
    assert after.pop("deaf")
    assert after == before


def test_a_device_added_while_nothing_runs_comes_with_the_next_up() -> None:
    with InitHome() as home:
        assert "nothing runs here yet" in add(home, *FAN)
        home.up()
        assert devices_of(home, "wind", "60") == {"wind": "done", "fan": "done"}


def test_up_tells_the_dispatcher_of_a_device_that_was_written_by_hand() -> None:
    with InitHome() as home:
        home.up()
        before = home.pids()
        text = (home.path / "config.yaml").read_text()
        fan = "  fan: {kind: virtual, effects: [wind]}\n\neffects:"
        (home.path / "config.yaml").write_text(text.replace("\neffects:", fan, 1))
        checked = home.effectd("check")
        with (home.path / "supervisor.conf").open("a") as conf:
            conf.write("\n" + checked.stdout[checked.stdout.rindex("[program:fan]") :])
        home.up()
        assert devices_of(home, "wind", "60") == {"wind": "done", "fan": "done"}
        after = home.pids()
        assert after.pop("fan")
        assert after == before
