"""A command in the background."""

import signal
import subprocess
import sys
from typing import Any

from tests.system.home import Home, wait_for


class Running:
    """An `effectd` command in the background, its output in files, ended for sure."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self._out, self._err = home.path / "out", home.path / "err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "effectd.cli", *arguments], cwd=home.path, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def says(self, text: str) -> None:
        wait_for(lambda: text in self.out + self.err, what=f"{text!r}")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()
