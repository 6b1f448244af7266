"""The built wheel in an empty venv, without this checkout: from `pip install` to an effect and one more device."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.home import REPOSITORY, wait_for
from tests.system.init_home import InitHome

OTHER = "3.13"
PACKAGES = {"effectd", "broker_proc", "dispatcher_proc", "drivers", "buttons_proc", "page_proc"}


def pythons() -> list[str]:
    """The running Python, and 3.13 where one is found that really runs (a shim of pyenv need not)."""
    folders = glob.glob(os.path.expanduser(f"~/.pyenv/versions/{OTHER}*/bin/python"))
    for found in filter(None, [shutil.which(f"python{OTHER}"), *folders]):
        asked = [found, "-c", "import ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if answer == OTHER and sys.version_info[:2] != (3, 13):
            return [sys.executable, found]
    return [sys.executable]


def pip(python: Path | str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd="/tmp", capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def wheel() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp") as folder:
        pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, str(REPOSITORY))
        yield next(Path(folder).glob("*.whl"))


def test_the_wheel_has_the_packages_the_files_of_a_home_and_of_the_page_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        template = {name: archive.read(name).decode() for name in names if name.startswith("effectd/template/")}
    assert {name.split("/")[0] for name in names} == PACKAGES
    others = {"effectd/py.typed", "drivers/py.typed", "effectd/cli/storm.json"}
    static = {f"page_proc/static/{path.name}" for path in (REPOSITORY / "page_proc" / "static").iterdir()}
    assert {name for name in names if not name.endswith(".py")} == {*template, *others, *static}
    for page in ("config.yaml", "supervisor.conf", "docs/configuration.md", "docs/config.schema.json"):
        assert template.pop(f"effectd/template/{Path(page).name}") == (REPOSITORY / page).read_text()
    assert template == {}


@pytest.fixture(scope="module", params=pythons(), ids=lambda python: Path(python).resolve().name)
def scripts(request: pytest.FixtureRequest, wheel: Path) -> Iterator[Path]:
    """The folder of the scripts of an empty venv into which the wheel was installed."""
    with tempfile.TemporaryDirectory(prefix="v", dir="/tmp") as folder:
        subprocess.run([request.param, "-m", "venv", folder], check=True, timeout=60)
        # of what the wheel asks for, the versions of the lock: not what came out last night
        lock = (REPOSITORY / "requirements" / "run.lock").read_text()
        Path(folder, "versions").write_text("\n".join(re.findall(r"^[a-z].*?==[^ ]+", lock, re.MULTILINE)))
        pip(Path(folder, "bin", "python"), "install", "--constraint", f"{folder}/versions", str(wheel))
        yield Path(folder, "bin")


def test_from_the_wheel_a_driver_can_be_tested(scripts: Path) -> None:
    code = """\
from drivers.virtual import Virtual
from effectd.testing import DriverBench

bench = DriverBench(Virtual)
effect = bench.send(60, duration=500)
bench.advance(1)
assert bench.levels == [(0, 0), (0, 60), (500, 0)]
assert bench.acks == {effect: "done"}
"""
    subprocess.run([scripts / "python", "-c", code], cwd="/tmp", check=True, timeout=60)


@pytest.mark.timeout(300)
def test_from_the_wheel_a_home_is_made_and_runs_and_takes_a_device_and_leaves_nothing(scripts: Path) -> None:
    with InitHome(scripts=scripts) as home:
        schema, about, *_ = (home.path / "config.yaml").read_text().splitlines()
        for named in (schema.split("$schema=file://")[1], about.split(": ")[1].removesuffix(".")):
            assert Path(named).is_relative_to(scripts.parent.resolve())
            assert Path(named).is_file()
        home.up()
        done = home.effectd("send", "wind", "60", "--duration", "100")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("done  wind")
        before = home.pids()
        added = home.effectd("device", "add", "fan", "--kind", "virtual", "--effect", "wind")
        assert added.returncode == 0, added.stdout + added.stderr
        assert "fan is ready (" in added.stdout
        sent = home.effectd("send", "wind", "70", "--duration", "100", "--json")
        assert json.loads(sent.stdout.splitlines()[-1])["devices"] == {"wind": "done", "fan": "done"}
        wait_for(lambda: "wind 70 %" in home.log("fan"))
        after = home.pids()
        assert after.pop("fan")
        assert after == before
        assert home.ctl("health").returncode == 0
        assert home.effectd("down").returncode == 0
        assert home.left() == []
        logs = [path.read_text() for path in (home.path / "run" / "log").iterdir()]
        assert not [log for log in logs if "Traceback" in log or "Warning" in log]
