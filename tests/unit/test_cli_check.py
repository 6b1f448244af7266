"""`effectd check`: the two files of a home, each for itself and compared both ways."""

import inspect
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import supervisor
import supervisor.options

from effectd.base import lock
from effectd.cli import check, up
from effectd.cli.supervisor_keys import KEYS

CONFIG = """\
devices:
  light:
    kind: virtual
    effects: [light]
  fan:
    kind: virtual
    effects: [wind]
effects:
  light:
  wind:
"""
HEAD = """\
[unix_http_server]
file=%(here)s/run/supervisor.sock
[supervisord]
logfile=%(here)s/run/log/supervisord.log
[supervisorctl]
serverurl=unix://%(here)s/run/supervisor.sock
"""
PROGRAMS = ("broker", "dispatcher", "light", "fan")
REPOSITORY = Path(__file__).resolve().parents[2]


def write(home: Path, config: str = CONFIG, conf: str | None = None, programs: tuple[str, ...] = PROGRAMS) -> None:
    (home / "run" / "log").mkdir(exist_ok=True)
    (home / "config.yaml").write_text(config)
    text = HEAD + "".join(check.section(program) for program in programs) if conf is None else conf
    (home / "supervisor.conf").write_text(text)


def found(home: Path) -> list[str]:
    """The lines that `check` prints, without the home's path."""
    return [str(problem.error).removeprefix(f"{home}/") for problem in check.problems(home)]


def conf_line(home: Path, text: str) -> int:
    """The number of the first line of supervisor.conf that holds `text`."""
    lines = (home / "supervisor.conf").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def edit(home: Path, old: str, new: str) -> None:
    path = home / "supervisor.conf"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_a_good_home_has_no_problem(home):
    write(home)
    assert found(home) == []


@pytest.mark.parametrize("delay", ["40", "{up: 2500, down: 800}", "{up: 2500}"])
def test_a_delay_is_one_number_or_one_for_each_way(home, capsys, delay):
    write(home, CONFIG.replace("effects: [wind]", f"effects: [wind]\n    delay_ms: {delay}"))
    assert check.run(home) == 0
    assert capsys.readouterr().out.splitlines() == ["config.yaml and supervisor.conf are good: 2 devices"]


def test_the_home_of_this_repository_is_good(home):
    write(home, (REPOSITORY / "config.yaml").read_text(), (REPOSITORY / "supervisor.conf").read_text())
    assert found(home) == []


def test_a_device_without_a_program_is_told_at_its_line_with_the_section_to_paste(home):
    write(home, programs=("broker", "dispatcher", "light"))
    (problem,) = check.problems(home)
    line = f"{home}/config.yaml:5: devices.fan: no [program:fan] in supervisor.conf runs it"
    assert str(problem.error) == line
    (home / "supervisor.conf").write_text((home / "supervisor.conf").read_text() + problem.paste)
    assert found(home) == []


def test_a_pasted_section_is_that_of_the_repository(home):
    text = (REPOSITORY / "supervisor.conf").read_text()
    for program in ("broker", "dispatcher", "wind"):
        assert check.section(program) in text + "\n"


@pytest.mark.parametrize("program", ["broker", "dispatcher"])
def test_the_broker_and_the_dispatcher_need_a_program_as_well(home, program):
    write(home, programs=tuple(name for name in PROGRAMS if name != program))
    (problem,) = check.problems(home)
    assert f": no [program:{program}] in supervisor.conf" in str(problem.error)
    assert f"command=python -m {program}_proc --home" in problem.paste


def test_a_device_elsewhere_needs_no_program_and_may_have_none(home):
    remote = CONFIG.replace("kind: virtual\n    effects: [wind]", "kind: remote\n    effects: [wind]")
    write(home, remote, programs=("broker", "dispatcher", "light"))
    assert found(home) == []
    write(home, remote)
    (problem,) = found(home)
    assert problem.startswith(
        f"supervisor.conf:{conf_line(home, '[program:fan]')}: program:fan: device 'fan' is of kind"
    )


def test_a_program_of_an_unknown_device_is_told_with_those_that_are_known(home):
    write(home, programs=(*PROGRAMS, "lamp"))
    line = conf_line(home, "[program:lamp]")
    assert found(home) == [f"supervisor.conf:{line}: program:lamp: config.yaml has no device 'lamp'; known: light, fan"]


def test_a_command_that_runs_another_devices_driver_is_told_at_its_line(home):
    write(home)
    edit(home, "-m drivers fan", "-m drivers light")
    line = conf_line(home, "[program:fan]") + 1
    assert found(home) == [
        f"supervisor.conf:{line}: program:fan.command: "
        "runs the driver of 'light'; it must be 'fan', the name of its section"
    ]


@pytest.mark.parametrize(
    "command",
    [
        'python -m drivers --home "%(here)s" fan',
        "nice -n 5 python -m drivers fan ; politely",
        "python -X dev -m drivers fan --home=%(here)s",
    ],
)
def test_a_command_may_be_written_in_other_ways(home, command):
    write(home)
    edit(home, 'python -m drivers fan --home "%(here)s"', command)
    assert found(home) == []


def test_the_broker_must_run_the_broker(home):
    write(home)
    edit(home, "-m broker_proc", "-m dispatcher_proc")
    (problem,) = found(home)
    assert "program:broker.command: must run `python -m broker_proc`" in problem


def test_a_program_that_is_none_of_ours_is_left_alone(home):
    write(home)
    (home / "supervisor.conf").write_text((home / "supervisor.conf").read_text() + "[program:cat]\ncommand=cat\n")
    assert found(home) == []


def test_startsecs_0_is_an_error_at_its_line(home):
    write(home)
    edit(home, "startsecs=1", "startsecs=0")
    (problem,) = found(home)
    assert problem.startswith(f"supervisor.conf:{conf_line(home, 'startsecs=0')}: program:broker.startsecs: 0 would")


def test_a_wrong_device_and_wrong_options_and_a_missing_program_are_all_told_at_once(home):
    config = CONFIG.replace("effects: [light]", "effects: [lihgt]")
    config = config.replace("effects: [wind]", "effects: [wind]\n    options: {apply_ms: soon}")
    write(home, config, programs=("broker", "light", "fan"))
    lines = found(home)
    assert lines[0].startswith("config.yaml:4: devices.light.effects: 'lihgt' is not a key of effects:")
    assert lines[1].startswith("config.yaml:8: devices.fan.options.apply_ms: ")
    assert "no [program:dispatcher]" in lines[2]
    assert len(lines) == 3


@pytest.mark.parametrize("body", ["def f(:", "raise RuntimeError('no bus')", "x = 1/0"])
def test_a_driver_of_ones_own_that_cannot_be_loaded_is_told_and_not_raised(home, body):
    (home / "broken_one.py").write_text(body)
    write(home, CONFIG.replace("kind: virtual\n    effects: [wind]", "kind: broken_one\n    effects: [wind]"))
    (problem,) = found(home)
    assert problem.startswith("config.yaml:6: devices.fan.kind: ")


def test_an_error_that_concerns_every_device_does_not_hide_those_of_supervisor_conf(home):
    write(home, "topic_root: a/\n" + CONFIG)
    edit(home, "startsecs=1", "startsecs=0")
    lines = found(home)
    assert lines[0].startswith("config.yaml:1: topic_root: ")
    assert ".startsecs: " in lines[1]


@pytest.mark.parametrize(
    ("conf", "line"),
    [
        ("nonsense\n[program:x]\n", 1),
        ("[supervisord]\n\nnonsense\n", 3),
        ("[supervisord]\nautostart=true\n=5\n", 3),
        ("[unclosed\n", 1),
    ],
)
def test_a_supervisor_conf_that_cannot_be_read_is_told_at_its_line(home, conf, line):
    write(home, conf=conf)
    lines = found(home)
    assert [text.split(": ")[0] for text in lines] == [f"supervisor.conf:{line}"]


def test_a_missing_supervisor_conf_is_told(home):
    write(home)
    (home / "supervisor.conf").unlink()
    assert found(home) == ["supervisor.conf:1: cannot be read: No such file or directory"]


def test_a_section_or_a_key_that_is_repeated_is_an_error_although_supervisor_takes_it(home):
    write(home, programs=(*PROGRAMS, "fan"))
    edit(home, "autorestart=unexpected", "autorestart=unexpected\nautorestart=false")
    lines = found(home)
    assert lines[0].startswith("supervisor.conf:12: program:broker.autorestart: repeated; it is in line 11 already")
    assert any("program:fan: repeated; it is in line" in text for text in lines)


@pytest.mark.parametrize(
    ("old", "new", "section"),
    [
        ("autorestart=unexpected", "autorestart=maybe", "program:broker"),
        ("stopwaitsecs=5", "stopwaitsecs=soon", ""),
        ("%(here)s/run/log/fan.log", "%(there)s/fan.log", "program:fan"),
        ("[supervisord]", "[supervisor]", ""),
    ],
)
def test_what_supervisor_itself_would_refuse_is_told_as_an_error_of_its_file(home, old, new, section):
    write(home)
    edit(home, old, new)
    (problem,) = found(home)
    assert problem.startswith("supervisor.conf:")
    if section:
        assert problem.startswith(f"supervisor.conf:{conf_line(home, f'[{section}]')}: {section}: ")


def test_the_command_prints_every_line_and_the_section_and_exits_78_and_0_when_it_is_mended(home, capsys):
    write(home, programs=("broker", "dispatcher"))

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "effectd.cli", "check", "--home", str(home)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    bad = run()
    assert bad.returncode == 78
    assert f"{home}/config.yaml:2: devices.light: no [program:light]" in bad.stdout
    errors, _, sections = bad.stdout.partition("\nto paste into supervisor.conf:\n\n")
    assert errors.count("\n") == 2
    assert sections == f"{check.section('light')}\n{check.section('fan')}\n"
    assert up.run(home, 0) == 78
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == bad.stdout.splitlines()[:2]
    assert lines[2].startswith("what is missing in supervisor.conf, ready to paste: ")
    assert lines[3:] == ["nothing was started"]
    write(home)
    good = run()
    assert (good.returncode, good.stdout) == (0, "config.yaml and supervisor.conf are good: 2 devices\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "autorestart=unexpected",
            "autorestrat=true",
            "program:broker.autorestrat: unknown key; supervisor would ignore it; did you mean autorestart?",
        ),
        (
            "logfile=%(here)s/run/log/supervisord.log",
            "nodeamon=true",
            "supervisord.nodeamon: unknown key; supervisor would ignore it; did you mean nodaemon?",
        ),
        ("priority=10", "zzz=10", "program:broker.zzz: unknown key; supervisor would ignore it"),
    ],
)
def test_a_key_that_supervisor_would_ignore_is_told_at_its_line_with_the_nearest(home, old, new, told):
    write(home)
    edit(home, old, new)
    assert found(home) == [f"supervisor.conf:{conf_line(home, new)}: {told}"]


def test_a_section_that_supervisor_would_ignore_is_told(home):
    write(home)
    edit(home, "[supervisorctl]", "[progam:x]\ncommand=cat\n[supervisorctl]")
    (problem,) = found(home)
    assert problem.startswith(f"supervisor.conf:{conf_line(home, '[progam:x]')}: progam:x: unknown section; known are")


def test_each_key_that_supervisors_reader_asks_for_by_name_is_known():
    source = inspect.getsource(supervisor.options)
    asked = set(re.findall(r"\bget\(\s*(?:section,\s*)?'(\w+)'", source)) - {"include", "expansions", "PATH"}
    assert {"command", "socket_mode", "chown"} <= asked <= frozenset.union(*KEYS.values())


def test_no_key_of_supervisors_own_sample_is_unknown(home):
    (home / "run" / "log").mkdir()
    text = (Path(supervisor.__file__).parent / "skel" / "sample.conf").read_text()
    text = re.sub(r"^;(?=\[|[a-z_]+ ?=)", "", text, flags=re.MULTILINE)  # they are comments there
    text = re.sub(r"^(user|chown|numprocs|programs|files|serverurl) ?=.*$", "", text, flags=re.MULTILINE)
    text = text.replace("\n[include]", "\n[include]\nfiles=more/*.ini").replace("/a/path", str(home))
    text = text.replace("theprogramname]", "p]").replace("thegroupname]", "g]\nprograms=p")
    assert "\nstopasgroup=" in text
    (home / "supervisor.conf").write_text(text)
    assert check.SupervisorFile(home / "supervisor.conf").problems == []


@pytest.mark.parametrize(("key", "line"), [("host", 2), ("websocket", 4)])
def test_a_port_that_somebody_else_holds_is_a_warning_that_says_who(home, capsys, key, line):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = server.getsockname()[1], other.getsockname()[1]
        other.close()
        host, web = (taken, free) if key == "host" else (free, taken)
        write(home, f"broker:\n  host: 127.0.0.1\n  port: {host}\n  websocket: {{port: {web}}}\n" + CONFIG)
        assert check.run(home) == 0
    told, good = capsys.readouterr().out.splitlines()
    assert told.startswith(f"{home}/config.yaml:{line}: broker.{key}: port {taken} of 127.0.0.1 is held by ")
    assert told.endswith(f"(pid {os.getpid()}) (a warning)")
    assert "are good" in good


def test_the_port_of_a_home_whose_own_broker_runs_is_no_warning(home, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server, lock.held(home, "broker", 1):
        write(home, f"broker: {{port: {server.getsockname()[1]}}}\n" + CONFIG)
        assert check.run(home) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "limits", "why"),
    [("virtual", "\n    limits: {max_flash_hz: 0}", "has max_flash_hz 0"), ("remote", "", "is remote")],
)
def test_a_zone_in_which_a_light_may_flash_as_asked_is_warned_of(home, capsys, kind, limits, why):
    section = f"    kind: {kind}\n    zones: [stage]\n    effects: [light]{limits}\n"
    config = CONFIG.replace("    kind: virtual\n    effects: [light]\n", section)
    write(home, config, programs=PROGRAMS if kind == "virtual" else ("broker", "dispatcher", "fan"))
    assert check.run(home) == 0
    told, _ = capsys.readouterr().out.splitlines()
    assert f"light {why}: no flash limit holds for the lights of stage together" in told
