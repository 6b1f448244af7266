"""`effectd init`: a whole new home, or nothing."""

import shlex
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from effectd.cli import app, check, init, style
from effectd.config import reader

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = str(init.TEMPLATE / "configuration.md")
SCHEMA = (init.TEMPLATE / "config.schema.json").as_uri()


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["init", *map(str, arguments)])
    if isinstance(done.exception, reader.ConfigError):  # main() prints it and exits with 78
        return 78, str(done.exception)
    return done.exit_code, done.output


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def room(home: Path) -> Path:
    """A folder that is not there yet."""
    return home / "room"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_new_home_is_both_files_the_link_and_the_folders_and_check_finds_it_good(room):
    code, said = run(room)
    assert code == 0
    assert everything(room) == ["config.yaml", "run", "run/log", "supervisor.conf", "supervisord.conf"]
    assert (room / "supervisord.conf").readlink() == Path("supervisor.conf")
    for folder in (room / "run", room / "run" / "log"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("config.yaml", "supervisor.conf"):  # a device's options may hold a token
        assert stat.S_IMODE((room / name).stat().st_mode) == 0o600
    assert check.problems(room) == []
    assert f"--home {room} up" in said


def test_its_files_are_those_of_the_repository_and_name_pages_that_are_there(room):
    run(room)
    text = (REPOSITORY / "config.yaml").read_text()
    assert "docs/configuration.md" in text
    assert (room / "config.yaml").read_text() == text.replace("docs/configuration.md", PAGE).replace(
        "docs/config.schema.json", SCHEMA
    )
    assert Path(PAGE).read_text() == (REPOSITORY / "docs" / "configuration.md").read_text()
    assert (room / "supervisor.conf").read_text() == (REPOSITORY / "supervisor.conf").read_text()


def test_there_is_no_second_copy_of_the_files_that_could_drift():
    for name in ("config.yaml", "supervisor.conf", "configuration.md", "config.schema.json"):
        assert (REPOSITORY / "effectd" / "template" / name).is_symlink()


def test_a_port_is_written_where_the_broker_reads_it_and_nothing_else_changes(room):
    code, said = run(room, "--port", "2883")
    assert code == 0
    assert "(port 2883)" in said
    assert reader.load(room).broker.port == 2883
    text = (REPOSITORY / "config.yaml").read_text().replace("docs/configuration.md", PAGE)
    text = text.replace("docs/config.schema.json", SCHEMA)
    assert (room / "config.yaml").read_text() == text.replace("port: 1883", "port: 2883")


def test_auto_finds_a_free_port_that_differs_from_home_to_home(home):
    ports = set()
    for name in ("a", "b", "c"):
        assert run(home / name, "--port", "auto")[0] == 0
        tree = reader.load(home / name)
        assert tree.page is not None
        ports |= {tree.broker.port, tree.page.port}
    assert len(ports) == 6
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_auto_does_not_take_a_port_that_somebody_has(room, listener, monkeypatch):
    taken = listener.getsockname()[1]
    monkeypatch.setattr(init, "_AUTO_FROM", taken - 1)
    monkeypatch.setattr(init, "_AUTO", 1)
    assert run(room, "--port", "auto")[0] == 0
    assert reader.load(room).broker.port > taken


@pytest.mark.parametrize("port", ["0", "65536", "-1", "auto1", "", "1e3", "١٨٨٣"])
def test_a_port_that_is_none_is_a_wrong_argument(room, port):
    code, said = run(room, "--port", port)
    assert code == 2
    assert "--port" in said
    assert not room.exists()


def test_missing_folders_above_are_made_and_what_is_in_the_folder_stays(home):
    (home / "a").mkdir()
    (home / "a" / "lamp.py").write_text("# mine\n")
    assert run(home / "a")[0] == 0
    assert (home / "a" / "lamp.py").read_text() == "# mine\n"
    assert run(home / "b" / "c" / "d")[0] == 0
    assert check.problems(home / "b" / "c" / "d") == []


@pytest.mark.parametrize("name", ["config.yaml", "supervisor.conf", "supervisord.conf"])
def test_where_one_of_the_files_is_there_nothing_is_touched(room, name):
    room.mkdir()
    (room / name).write_text("mine\n")
    code, said = run(room)
    assert code == 73
    assert f"{room / name}: File exists; nothing was made or changed" in said
    assert everything(room) == [name]
    assert (room / name).read_text() == "mine\n"


def test_a_link_that_leads_nowhere_is_not_written_through(room):
    room.mkdir()
    (room / "config.yaml").symlink_to(room / "elsewhere")
    assert run(room)[0] == 73
    assert everything(room) == ["config.yaml"]


@pytest.mark.parametrize("folder", ["/proc/nowhere/room", "/dev/null", "/dev/null/room"])
def test_where_no_folder_can_be_made_it_exits_73(folder):
    code, said = run(folder)
    assert code == 73
    assert "nothing was made" in said


def test_a_path_too_long_for_a_unix_socket_is_refused_before_anything_is_made(home):
    long = home / ("x" * 90)
    code, said = run(long)
    assert code == 78
    assert "path too long for a UNIX socket by " in said
    assert not long.exists()


def test_when_the_disk_is_full_nothing_is_left_behind(home, monkeypatch):
    def full(_self: Path, _target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "symlink_to", full)
    code, said = run(home / "a" / "b")
    assert code == 73
    assert "No space left on device" in said
    assert not (home / "a").exists()


def test_a_home_may_have_odd_signs_in_its_path(home):
    odd = home / "my room's #1 ; $HOME, (a)"
    assert run(odd)[0] == 0
    assert check.problems(odd) == []


@pytest.mark.parametrize("sign", ["%", '"', "\\"])
def test_a_sign_that_supervisor_cannot_read_in_a_path_is_refused_before_anything_is_made(home, sign):
    code, said = run(home / f"a{sign}b")
    assert code == 78
    assert f"a path with {sign} cannot be written in supervisor.conf" in said
    assert everything(home) == ["run"]


def test_each_command_that_is_printed_can_be_pasted_into_a_shell(home):
    room = home / "it's a room"
    done = CliRunner().invoke(app, ["init", str(room)])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if line.startswith("  ")]
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line)
        assert words[1:3] == ["--home", str(room)]
    assert shlex.split(style.tool("supervisorctl", room))[1:] == ["-c", str(room / "supervisor.conf")]
