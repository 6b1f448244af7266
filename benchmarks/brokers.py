"""The brokers that are compared, each alone in a process: ours as a home has it, mosquitto, and bare amqtt."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import enter
from effectd.access import passwords
from tests.broker.conftest import free_port
from tests.needs import need
from tests.system.home import REPOSITORY

OURS, MOSQUITTO, AMQTT, BEFORE = "ours", "mosquitto", "plain amqtt", "ours before"
WITH_USERS = "ours, users and rights"
LOGIN = ("bench", "a password")
# what somebody who plays in a room has, and as the last one what is measured with
RIGHTS = ("receipts/#", "dead-letters/#", "devices/+/state", "devices/+/config", "system/#", "#")


class Started:
    """A broker that has answered a CONNECT; `after` is how long that took from its exec, in seconds."""

    def __init__(
        self, command: list[str], port: int, folder: Path, checkout: Path = REPOSITORY, login: tuple[str, ...] = ()
    ) -> None:
        self.port, self.socket = port, folder / "run" / "broker.sock"
        self.address = f"{':'.join(login)}@{port}" if login else str(port)
        self._log = (folder / "log").open("w+")
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        try:
            while not self._answers():
                assert self.process.poll() is None, f"{command} ended: {self.log()}"
                assert time.perf_counter() < start + 20, f"{command} does not answer: {self.log()}"
                time.sleep(0.001)
        except BaseException:
            self.stop()
            raise
        self.after = time.perf_counter() - start

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def _answers(self) -> bool:
        try:
            enter(self.address, five=False).close()
        except OSError:
            return False
        return True


@contextmanager
def started(kind: str, before: Path | None = None) -> Iterator[Started]:
    """One of the four on a free port, with nothing else to do; `before` is an older checkout, for BEFORE."""
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as name:
        folder, port, checkout = Path(name), free_port(), REPOSITORY
        (folder / "run").mkdir(mode=0o700)
        if kind in (OURS, WITH_USERS):
            # every limit as it is by default, but for the number of connections: a thousand clients besides our own
            broker_section: dict[str, Any] = {"port": port, "limits": {"connections": 1100}}
            if kind == WITH_USERS:
                broker_section["users"] = {LOGIN[0]: {"publish": RIGHTS, "subscribe": RIGHTS}}
                passwords.write(folder, {LOGIN[0]: passwords.hashed(LOGIN[1].encode())})
            (folder / "config.yaml").write_text(json.dumps({"broker": broker_section}))
            command = [sys.executable, "-m", "broker_proc", "--home", name]
        elif kind == BEFORE and before:
            (folder / "config.yaml").write_text(f"broker: {{port: {port}}}\n")
            command, checkout = [sys.executable, "-m", "broker_proc", "--home", name], before
        elif kind == MOSQUITTO:
            conf = folder / "mosquitto.conf"
            conf.write_text(
                f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
            )
            command = [need("mosquitto", "mosquitto"), "-c", str(conf)]
        else:
            command = [sys.executable, "-m", "benchmarks.brokers", str(port)]
        broker = Started(command, port, folder, checkout, LOGIN if kind == WITH_USERS else ())
        try:
            yield broker
        finally:
            broker.stop()


async def _plain(port: int) -> None:
    """amqtt at its leanest: no log, no $SYS, one plugin that lets everybody in."""
    from amqtt.broker import Broker

    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins})
    await broker.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await broker.shutdown()


if __name__ == "__main__":
    import uvloop  # so that what is compared is the broker and not the loop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_plain(int(sys.argv[1])))
