"""A wrong configuration is final on any machine, however slow; every other end is not."""

import os
import re
import signal
import time

import psutil
import pytest
import yaml

from tests.system.home import Home, alive, wait_for

SLOW_S = 1.3  # a small machine that imports amqtt: longer than startsecs


class Slow(Home):
    """Each start of a program takes 1.3 s before its first own line, as on a small machine."""

    def __init__(self, *, old: bool) -> None:
        self.old = old
        super().__init__()

    def write(self) -> None:
        super().write()
        (self.path / "slow").mkdir(exist_ok=True)
        (self.path / "slow" / "sitecustomize.py").write_text(
            "import os, sys, time\n"
            "if os.environ.get('SUPERVISOR_PROCESS_NAME'):\n"
            f"    print('a start', flush=True)\n    time.sleep({SLOW_S})\n"
        )
        conf = self.path / "supervisor.conf"
        text = conf.read_text().replace(
            'environment=PYTHONUNBUFFERED="1"', 'environment=PYTHONUNBUFFERED="1",PYTHONPATH="%(here)s/slow"'
        )
        if self.old:
            text = text.replace("autorestart=unexpected\nexitcodes=78\n", "autorestart=true\n")
        conf.write_text(text)


@pytest.mark.parametrize("old", [False, True], ids=["as it is written now", "a file of before"])
def test_a_wrong_configuration_ends_a_program_that_starts_slowly_at_its_first_78(old: bool) -> None:
    with Slow(old=old) as home:
        home.start()
        home.wait_ready(40)
        text = (home.path / "config.yaml").read_text()
        (home.path / "config.yaml").write_text(text + "nonsense: 1\n")
        starts = home.log("scent").count("a start")
        os.kill(home.pid("scent"), signal.SIGKILL)
        wait_for(lambda: "nonsense" in (home.line("watchdog") or {}).get("reason", ""), 20, "named")
        ended = time.monotonic()
        wait_for(lambda: time.monotonic() - ended > 3 * SLOW_S, 20)  # for what must not happen: another start
        assert home.log("scent").count("a start") == starts + 1
        assert any(word in home.ctl("status", "scent").stdout for word in ("EXITED", "FATAL"))
        assert "config.yaml" in (home.line("watchdog") or {})["reason"]
        (home.path / "config.yaml").write_text(text)
        assert home.effectd("health").returncode == 3
        assert "nonsense" in home.effectd("health").stdout
        up = home.effectd("up", "--wait", "40")
        assert up.returncode == 0, up.stdout + up.stderr


@pytest.mark.parametrize("old", [False, True], ids=["as it is written now", "a file of before"])
def test_a_wrong_configuration_ends_a_program_that_starts_quickly_at_its_first_78(old: bool) -> None:
    with Home() as home:
        conf = home.path / "supervisor.conf"
        if old:
            conf.write_text(conf.read_text().replace("autorestart=unexpected\nexitcodes=78\n", "autorestart=true\n"))
        home.start_ready()
        home.config["devices"]["scent"]["options"] = {"nonsense": 1}
        (home.path / "config.yaml").write_text(yaml.safe_dump(home.config, sort_keys=False))
        os.kill(home.pid("scent"), signal.SIGKILL)
        wait_for(lambda: re.search("FATAL|EXITED", home.ctl("status", "scent").stdout), 15, "given up")
        assert home.log("scent").count("nonsense") == 1
        health = home.effectd("health")
        assert health.returncode == 3
        assert "devices.scent.options" in health.stdout
        assert "nonsense" in health.stdout


@pytest.mark.parametrize("program", ["wind", "dispatcher", "broker"])
def test_every_other_end_of_a_program_is_followed_by_a_new_start(home: Home, program: str) -> None:
    wait_for(lambda: "RUNNING" in home.ctl("status", program).stdout, what="past startsecs")
    for sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT):
        pid = home.pid(program)
        os.kill(pid, sig)
        wait_for(lambda pid=pid: (line := home.line(program)) and line["pid"] != pid, 15, f"back after {sig.name}")
        home.wait_ready()


def test_the_children_of_a_driver_that_hangs_are_killed_with_it() -> None:
    with Home() as home:
        home.config["devices"]["wind"] = {"kind": "helped", "effects": ["wind"]}
        home.write()
        (home.path / "helped.py").write_text(HELPED)
        home.start_ready()
        pid = home.pid("wind")
        [helper] = psutil.Process(pid).children()
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: (line := home.line("wind")) and line["pid"] != pid, 15, "a new driver")
        wait_for(lambda: not alive(helper.pid), 5, "the end of its helper")
        home.wait_ready()


HELPED = '''"""A device with a helper process."""
import subprocess
from effectd.driver import Driver, Effect

class Helped(Driver):
    def open(self):
        self.helper = subprocess.Popen(["sleep", "600"])
    def apply(self, effect: Effect):
        pass
    def off(self):
        pass
    def close(self):
        self.helper.kill()
        self.helper.wait()
'''
