"""docs/write-a-driver.md, followed from top to bottom: each block is taken word for word, each command is run."""

import re
import socket
import threading
import tomllib
from collections.abc import Iterator

import pytest

from tests.system.home import REPOSITORY, free_port, wait_for
from tests.system.test_readme import run
from tests.system.test_verbs import Clone

TEXT = (REPOSITORY / "docs" / "write-a-driver.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
LANGUAGES = [
    *("python", "yaml", "yaml", "console", "console", "", "yaml", "console"),
    *("python", "console", "console", "toml"),
]


class Machine:
    """The bubble machine: all that it is told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.told: list[str] = []
        self._sock = socket.socket(type=socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while data := self._sock.recv(100):
            self.told.append(data.decode())

    def close(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._sock.close()


@pytest.fixture
def author() -> Iterator[Clone]:
    with Clone() as clone:
        yield clone
        run(clone, ".venv/bin/effectd down")


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.close()


def shell(author: Clone, block: str, exit_code: int = 0) -> str:
    """Run each `$ ` line; what the last one said."""
    said = ""
    for line in block.splitlines():
        assert line.startswith("$ ")
        done = run(author, line[2:])
        author.pids()
        said = done.stdout
        assert done.returncode == exit_code, f"{line}\n{done.stdout}{done.stderr}"
    return said


def test_the_driver_of_the_page_is_built_as_the_page_says(author: Clone, machine: Machine) -> None:
    assert [language for language, _ in BLOCKS] == LANGUAGES
    code, device, effect, check, see, log, vectors, play, test, play_test, real, package = (text for _, text in BLOCKS)
    config = author.path / "config.yaml"

    def rewrite(old: str, new: str) -> None:
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))

    (author.path / "bubbles.py").write_text(code)
    rewrite("devices:\n", f"devices:\n{device.replace('7000', str(machine.port))}")
    config.write_text(config.read_text().rstrip("\n") + "\n" + effect)

    rewrite(f"port: {machine.port}}}", "port: 70000}")
    refused = shell(author, check, 78)
    assert "devices.bubbles.options.port: " in refused
    assert "65535" in refused
    rewrite("port: 70000}", f"port: {machine.port}}}")
    printed = shell(author, check, 78)
    with (author.path / "supervisor.conf").open("a") as conf:
        conf.write("\n" + printed[printed.rindex("[program:bubbles]") :])
    shell(author, check)

    assert log.strip() in shell(author, see)
    assert machine.told == [], "a dry run touched the device"

    (author.path / "bubbles.yaml").write_text(vectors)
    assert "1 case comes out as written" in shell(author, play)
    (author.path / "bubbles.yaml").write_text(vectors.replace("153", "154"))
    assert "out is ['BUBBLES 153\\n'" in shell(author, play, 1)

    (author.path / "test_bubbles.py").write_text(test)
    shell(author, play_test)
    (author.path / "test_bubbles.py").write_text(test.replace("3000, 0", "29, 0"))
    shell(author, play_test, 1)

    rewrite("dry_run: true", "dry_run: false")
    shell(author, real)
    wait_for(lambda: "BUBBLES 153\n" in machine.told and machine.told[-1] == "BUBBLES 0\n", what="bubbles, then none")
    assert machine.told[0] == "BUBBLES 0\n"

    project = tomllib.loads(package)["project"]
    assert [*project["entry-points"]] == ["effectd.drivers"]
    installed = author.path / f"effectd_bubbles-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["effectd.drivers"].items())
    (installed / "entry_points.txt").write_text(f"[effectd.drivers]\n{points}")
    (author.path / "bubble-machine.yaml").write_text(vectors)
    shell(author, play.replace("bubbles.yaml", "bubble-machine.yaml"))
    rewrite("kind: bubbles", "kind: bubble-machine")
    shell(author, check)
