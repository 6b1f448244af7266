"""Every command that README and docs show is run here, in a fresh clone, as a newcomer would type it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import need
from tests.system.home import BARE, REPOSITORY, wait_for
from tests.system.test_verbs import Clone

README = REPOSITORY / "README.md"
RASPBERRY_PI = REPOSITORY / "docs" / "raspberry-pi.md"


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[str]:
    """The lines after `$ ` in the ```console blocks."""
    lines = [line for block in blocks(path, "console") for line in block.splitlines()]
    return [line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Clone]:
    """A clone with this checkout's venv in place of its own, and clients that use its port without being told."""
    need("mosquitto_pub", "mosquitto-clients")
    with Clone() as clone:
        settings = clone.path / "xdg"
        settings.mkdir()
        for tool in ("mosquitto_pub", "mosquitto_sub"):
            (settings / tool).write_text(f"-p {clone.port}\n-h 127.0.0.1\n")
        yield clone


def run(clone: Clone, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=clone.path,
        env=BARE | {"XDG_CONFIG_HOME": str(clone.path / "xdg")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_command_of_the_readme_works_in_its_order(newcomer: Clone) -> None:
    shown = commands(README)
    assert len(shown) >= 15, "the pattern that finds commands has gone blind"
    try:
        for command in shown:
            if command == "scripts/test --all":
                continue  # this is it
            if command.startswith("sudo apt install "):
                assert command.split()[-1] == "mosquitto-clients"
                continue
            done = run(newcomer, command)
            newcomer.pids()
            # mosquitto_sub -W ends with 27 when its time is over: that is how it is asked to end
            wanted = (0, 27) if command.startswith("mosquitto_sub") else (0,)
            assert done.returncode in wanted, f"{command}\n{done.stdout}{done.stderr}"
    finally:
        for home in (".", "my-room"):
            run(newcomer, f".venv/bin/effectd --home {home} down")


def test_the_drivers_in_the_readme_and_its_section_work(newcomer: Clone) -> None:
    """The lamp of README, its device, and the section that check prints, taken word for word."""
    import socket
    import threading

    (code,), (section,) = blocks(README, "python"), blocks(README, "yaml")
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def listen() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile() as lines:
                heard.extend(iter(lines.readline, ""))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        (newcomer.path / "lamp.py").write_text(code)
        config = newcomer.path / "config.yaml"
        before = config.read_text()
        config.write_text(
            before.replace(
                "\neffects:", "\n" + section.replace("127.0.0.1}", f"127.0.0.1, port: {port}}}") + "\neffects:"
            )
        )
        try:
            checked = run(newcomer, ".venv/bin/effectd check")
            assert checked.returncode == 78
            pasted = checked.stdout[checked.stdout.rindex("[program:lamp]") :]
            with (newcomer.path / "supervisor.conf").open("a") as conf:
                conf.write("\n" + pasted)
            assert run(newcomer, ".venv/bin/effectd check").returncode == 0
            assert run(newcomer, ".venv/bin/effectd up").returncode == 0
            newcomer.pids()
            wait_for(lambda: "rgb 0 0 0\n" in heard, what="off first")
            sent = run(newcomer, ".venv/bin/effectd send light 50 --param color=#ff8000 --duration 300")
            assert sent.returncode == 0, sent.stdout + sent.stderr
            wait_for(lambda: any(line.startswith("rgb 255 128 0") for line in heard), what="the colour")
        finally:
            newcomer.pids()
            run(newcomer, ".venv/bin/effectd down")
            config.write_text(before)
            (newcomer.path / "supervisor.conf").write_text((REPOSITORY / "supervisor.conf").read_text())
        thread.join(5)
        assert heard[-1] == "rgb 0 0 0\n"


def test_the_raspberry_pi_page_runs_in_a_dry_run_in_place_of_the_virtual_wind(newcomer: Clone) -> None:
    (section,) = blocks(RASPBERRY_PI, "yaml")
    config = newcomer.path / "config.yaml"
    before = config.read_text()
    virtual = "  wind:\n    kind: virtual\n    effects: [wind]\n"
    assert virtual in before
    assert "range:" in section
    shown = commands(RASPBERRY_PI)
    assert len(shown) == 2
    try:
        config.write_text(before.replace(virtual, section))
        checked = run(newcomer, ".venv/bin/effectd check")
        assert checked.returncode == 0, checked.stdout
        config.write_text(before.replace(virtual, section.replace("range:", "dry_run: true, range:")))
        for command in shown:
            done = run(newcomer, command)
            newcomer.pids()
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "dry run" in run(newcomer, ".venv/bin/supervisorctl tail wind").stdout
    finally:
        run(newcomer, ".venv/bin/effectd down")
        config.write_text(before)


def test_the_sections_shown_for_brokers_are_good_configuration(newcomer: Clone) -> None:
    from effectd.config import reader as configuration

    shown = blocks(REPOSITORY / "docs" / "brokers.md", "yaml")
    assert len(shown) == 6
    home = newcomer.path / "broker-home"
    home.mkdir(exist_ok=True)
    for block in shown:
        (home / "config.yaml").write_text(f"{block}\neffects: {{wind: {{}}}}\n")
        assert configuration.load(home).errors == ()
    shutil.rmtree(home)


def test_the_devices_shown_in_the_docs_are_good_configuration(newcomer: Clone) -> None:
    from drivers import kinds
    from effectd.config import programs
    from effectd.config import reader as configuration

    shown = blocks(REPOSITORY / "docs" / "configuration.md", "yaml")
    assert shown
    home = newcomer.path / "docs-home"
    home.mkdir(exist_ok=True)
    for block in shown:
        whole = block if block.startswith("buses:") else f"devices:\n{block}"
        (home / "config.yaml").write_text(f"{whole}\neffects: {{light: {{}}, wind: {{}}, scent: {{}}}}\n")
        tree = configuration.load(home)
        assert tree.errors == ()
        for name in tree.programs:
            if programs.is_device(name):
                kinds.build(name, tree)
    shutil.rmtree(home)
