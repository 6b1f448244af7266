"""The table of programs: one more row is one more program, for everything that asks which there are."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from effectd.cli import check, confirmed
from effectd.config import part, programs, reader
from effectd.config.programs import BROKER, Program
from effectd.readiness.gate_watcher import GateView
from effectd.readiness.line import Line
from effectd.supervision import living
from effectd.supervision.health import row
from effectd.supervision.watchdog import Watchdog

REPOSITORY = Path(__file__).resolve().parents[2]
SUPERVISED = (REPOSITORY / "supervisor.conf").read_text().partition("[program:broker]")[0]
CONFIG = "devices:\n  fan: {kind: virtual, effects: [wind]}\neffects: {wind: }\n"


@pytest.fixture
def further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further program, as the one that adds it would: a row, and nothing else."""
    row = Program("scoreboard", "scoreboard_proc", 40, (BROKER,))
    monkeypatch.setattr(programs, "TABLE", [*programs.TABLE, row])


def write(home: Path, *sections: str) -> None:
    (home / "config.yaml").write_text(CONFIG)
    (home / "supervisor.conf").write_text(SUPERVISED + "\n".join(check.section(name) for name in sections))


@pytest.mark.usefixtures("further")
def test_a_further_program_is_one_of_the_home_and_no_device_may_be_called_so(home):
    (home / "config.yaml").write_text(CONFIG)
    assert reader.load(home).programs == ["broker", "dispatcher", "scoreboard", "fan"]
    (home / "config.yaml").write_text(CONFIG.replace("fan:", "scoreboard:"))
    (error,) = reader.load(home).errors
    assert error.key == "devices.scoreboard"
    assert "scoreboard" in error.problem


@pytest.mark.usefixtures("further")
def test_check_asks_for_its_section_offers_one_and_compares_its_command(home):
    write(home, "broker", "dispatcher", "fan")
    (missing,) = check.problems(home)
    assert "no [program:scoreboard] in supervisor.conf" in missing.error.problem
    assert 'command=python -m scoreboard_proc --home "%(here)s"\n' in missing.paste
    assert "priority=40\n" in missing.paste
    write(home, "broker", "dispatcher", "scoreboard", "fan")
    assert check.problems(home) == []
    conf = home / "supervisor.conf"
    conf.write_text(conf.read_text().replace("-m scoreboard_proc", "-m broker_proc"))
    (wrong,) = check.problems(home)
    assert wrong.error.problem == "must run `python -m scoreboard_proc`"


@pytest.mark.usefixtures("further")
def test_the_watchdog_expects_a_gate_of_it_and_of_no_program_of_somebody_elses():
    def has_gate(command: str) -> bool:
        return Watchdog._has_gate(None, SimpleNamespace(config=SimpleNamespace(command=command)))  # type: ignore[arg-type]

    assert has_gate('python -m scoreboard_proc --home "/x"')
    assert not has_gate("python -m http.server")


@pytest.mark.usefixtures("further")
def test_it_is_found_alive_without_a_lock_or_a_file(home):
    process = SimpleNamespace(cwd=lambda: str(home))
    words = ["python", "-m", "scoreboard_proc", "--home", str(home)]
    assert living._runs_program(process, words, home)  # type: ignore[arg-type]


@pytest.mark.usefixtures("further")
def test_a_stop_that_cannot_read_the_configuration_asks_devices_and_the_dispatcher_only(home):
    (home / "run").mkdir(exist_ok=True)
    for name in ("broker", "dispatcher", "fan", "scoreboard", "watchdog"):
        (home / "run" / f"{name}.gate").touch()
    assert confirmed.gates(home) == ["dispatcher", "fan"]


@pytest.mark.parametrize(("waits_for", "state"), [((BROKER,), "waiting"), ((), "ready")])
def test_only_a_program_that_waits_for_the_broker_must_be_under_its_present_run(monkeypatch, waits_for, state):
    monkeypatch.setattr(programs, "TABLE", [*programs.TABLE, Program("scoreboard", "scoreboard_proc", 40, waits_for)])
    view = GateView("scoreboard")
    view.line = Line("scoreboard", 7, "ready", "g1", broker_generation="the broker's old run")
    view.stale = False
    assert row(view, {}, "the broker's new run").state == state


def test_who_waits_for_another_is_started_after_it():
    for each in programs.TABLE:
        assert all(programs.of(name).priority < each.priority for name in each.waits_for)


def test_the_package_of_every_row_is_shipped():
    shipped = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {row.module for row in programs.TABLE} <= set(shipped["packages"])


@pytest.mark.usefixtures("further")
def test_a_change_of_whatever_it_may_read_is_a_change_of_its_part(home):
    def own(text: str) -> part.Part:
        return part.of(reader.load(home, text.encode()), "scoreboard")

    house = "devices: {fan: {kind: virtual, effects: [wind]}}\neffects: {wind: {}}\n"
    assert part.differences(own(house), own(house.replace("virtual", "http"))) == ["devices.fan.kind"]
    assert part.differences(own(house), own(house + "broker: {port: 5}\n")) == []
