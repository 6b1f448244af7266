"""docs/write-a-bus.md, followed from top to bottom: each block is taken word for word, and the bus drives its lamps."""

import re
import socket
import subprocess
import sys
import textwrap

import yaml

from tests.system.home import REPOSITORY, Home, free_port, wait_for
from tests.system.test_devices import NO_OTHERS

TEXT = (REPOSITORY / "docs" / "write-a-bus.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_bus_of_the_page_is_tested_by_its_vectors_and_drives_its_lamps() -> None:
    (_, code), (_, config), (_, vectors), (_, console), (_, bench), (_, play_bench) = BLOCKS
    part = yaml.safe_load(config)
    box = socket.socket(type=socket.SOCK_DGRAM)
    box.settimeout(10)
    port = free_port()
    box.bind(("127.0.0.1", port))
    part["buses"]["row"]["options"] = {"host": "127.0.0.1", "port": port}
    with box, Home({**NO_OTHERS, **part["devices"]}, buses=part["buses"]) as home:
        (home.path / "frames.py").write_text(code)
        (home.path / "frames.yaml").write_text(vectors)
        command, told = textwrap.dedent(console).splitlines()
        assert command == "$ .venv/bin/python -m drivers.vectors frames.yaml"
        done = subprocess.run(
            [sys.executable, "-m", "drivers.vectors", "frames.yaml"],
            cwd=home.path, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.stdout.strip(), done.returncode) == (told, 0), done.stderr
        (home.path / "test_frames.py").write_text(bench)
        assert play_bench.strip() == "$ .venv/bin/python -m unittest test_frames"
        done = home.run("unittest", "test_frames")
        assert done.returncode == 0, done.stderr
        assert home.effectd("check").returncode == 0
        home.start_ready()
        assert box.recv(100) == b"\0\0"  # off first
        client = home.client()
        client.publish("effects/light", {"id": "row", "intensity": 100, "duration": 200})
        assert client.receipt("row")["devices"] == {"lamp-1": "done", "lamp-2": "done"}
        wait_for(lambda: box.recv(100) == b"\xff\xff", what="both lamps on")
        wait_for(lambda: box.recv(100) == b"\0\0", what="both lamps off")
        assert box.recv(100) == b"\0\0"  # said again after a second
