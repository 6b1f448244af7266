"""A home that `effectd init` made, used as its owner would: by the scripts of one installation and by nothing else."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.system.home import BARE, Home


class InitHome(Home):
    """`scripts`: the folder with `effectd` and its like. Nothing of this checkout, nor of its venv, is on any path."""

    def __init__(self, name: str = "room", scripts: Path | None = None) -> None:
        self.scripts = scripts or Path(sys.executable).parent
        self._folder = tempfile.TemporaryDirectory(prefix="m", dir="/tmp")
        self.path = Path(self._folder.name)
        self.clients = []
        self._seen = {}
        done = self.effectd("init", name, "--port", "auto")
        assert done.returncode == 0, done.stdout + done.stderr
        self.path /= name
        self.port = self.read()["broker"]["port"]

    def read(self) -> dict[str, Any]:
        """config.yaml as it is now."""
        self.config = yaml.safe_load((self.path / "config.yaml").read_text())
        return self.config

    def tool(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.scripts / name), *arguments],
            cwd=self.path,
            env=BARE,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def effectd(self, *arguments: str, **_: Any) -> subprocess.CompletedProcess[str]:
        return self.tool("effectd", *arguments)

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.tool("supervisorctl", *arguments)

    def up(self) -> None:
        done = self.effectd("up")
        self.pids()
        assert done.returncode == 0, done.stdout + done.stderr

    def files(self) -> list[bytes]:
        return [(self.path / name).read_bytes() for name in ("config.yaml", "supervisor.conf")]

    def __enter__(self) -> "InitHome":
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self.down()
        finally:
            self._folder.cleanup()
