"""effectd's chain beside a stub chain, on the embedded broker and on mosquitto, beside the floor of four TCP hops.

    .venv/bin/python -m benchmarks.chain [--rates 20 100 500] [--seconds 4] [--rounds 2] [--before CHECKOUT]

Published -> actuated in ms at each rate, and receipts a second at saturation (64 effects open at any time), with the
CPU time that broker, dispatcher and drivers need for each. The chains of a round run one after the other; the rounds
alternate, so that a machine that changes its speed is seen. `--before`: another checkout, an older one, as well.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.latency import Witnessed
from benchmarks.load import cpu_of
from tests.system.home import REPOSITORY, Client, Home, free_port, wait_for
from tests.system.test_external import Mosquitto

DEVICES = [f"d{number:02}" for number in range(8)]
OPEN = 64  # effects without a receipt, at saturation


class Publisher(Client):
    """Publishes effects and notes when; counts the receipts."""

    def __init__(self, port: int, device: str = "") -> None:
        self.device = device
        self.published: dict[str, int] = {}
        self.receipted = 0
        self.slots = threading.Semaphore(OPEN)
        super().__init__(port, "receipts/#", window=0)
        self._client.on_message = self._receipt

    def _receipt(self, _client: Any, _data: Any, message: Any) -> None:
        if b'"accepted"' not in message.payload:
            self.receipted += 1
            self.slots.release()

    def effect(self, name: str, number: int) -> None:
        device = self.device or DEVICES[number % len(DEVICES)]
        fields = {"id": name, "effect_type": device, "intensity": 50, "duration": 50, "parameters": {"tag": name}}
        self.published[name] = time.monotonic_ns()
        self._client.publish(f"effects/{device}", json.dumps(fields), 1)


Pids = dict[str, list[int]]  # role -> its processes
Chain = Callable[[], Any]  # a context manager that yields (port, witness, pids)


@contextmanager
def effectd(port: int | None, checkout: Path = REPOSITORY) -> Iterator[tuple[int, Witnessed, Pids]]:
    """The whole product; `port`: of an external broker, None: the embedded one."""
    os.environ["PYTHONPATH"] = str(checkout)
    home = Home()
    if port is not None:
        home.config["broker"] |= {"embedded": False, "external": {"host": "127.0.0.1", "port": port}}
    home.config["effects"] = {name: {} for name in DEVICES}
    home.config["devices"] = {
        name: {
            "kind": "benchmarks.witness",
            "effects": [name],
            "limits": {"max_rate_hz": 1000},
            "options": {"path": str(home.path / "witness")},
        }
        for name in DEVICES
    }
    home.write()
    with home:
        witness = Witnessed(home.path / "witness")
        home.start()
        os.environ["PYTHONPATH"] = str(REPOSITORY)
        home.wait_ready()
        pids = home.pids()
        roles = {"broker": ["broker"] if port is None else [], "dispatcher": ["dispatcher"], "drivers": DEVICES}
        yield port or home.port, witness, {role: [pids[name] for name in names] for role, names in roles.items()}


@contextmanager
def stub(port: int | None) -> Iterator[tuple[int, Witnessed, Pids]]:
    """The stub chain; on the embedded broker (run alone, `port` None) or on another."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        witness, where = Witnessed(folder / "witness"), str(port)
        if port is None:
            port, where = free_port(), str(folder)
            (folder / "run").mkdir()
            (folder / "config.yaml").write_text(f"broker: {{port: {port}}}\n")
            broker = subprocess.Popen(
                [sys.executable, "-m", "broker_proc", "--home", str(folder)], stdout=subprocess.DEVNULL, cwd=REPOSITORY
            )
            stack.callback(_end, broker)
            wait_for(lambda: _listens(port), what="the broker")
        commands = [["dispatcher", where], *(["driver", where, str(folder / "witness"), d] for d in DEVICES)]
        for command in commands:
            process = subprocess.Popen([sys.executable, "-m", "benchmarks.stub", *command], cwd=REPOSITORY)
            stack.callback(_end, process)
        probe = Publisher(port)
        for number in range(len(DEVICES)):  # until every stub is there

            def answered(number: int = number) -> bool:
                probe.effect(f"probe-{number}-{time.monotonic_ns()}", number)
                return any(name.startswith(f"probe-{number}-") for name in list(witness.at))

            wait_for(answered, what=DEVICES[number])
        probe.close()
        yield port, witness, {}


@contextmanager
def playsem(python: Path) -> Iterator[tuple[int, Witnessed]]:
    """The predecessor's single process: its own embedded broker, its dispatcher, its mock driver."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        witness, port = Witnessed(Path(folder) / "witness"), free_port()
        command = [str(python), str(REPOSITORY / "benchmarks" / "playsem.py"), str(port), f"{folder}/witness"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: _listens(port), 30, "its broker")
            probe = Publisher(port, "wind")

            def answered() -> bool:
                probe.effect(f"probe-{time.monotonic_ns()}", 0)
                return bool(witness.at)

            wait_for(answered, what="its first effect")
            probe.close()
            yield port, witness
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def latencies(port: int, witness: Witnessed, rate: int, seconds: float, device: str = "") -> list[float]:
    """`device`: one that does everything and gives no receipts."""
    publisher = Publisher(port, device)
    start = time.monotonic()
    tag = f"{rate}-{time.monotonic_ns()}"
    for number in range(int(rate * seconds)):
        while (wait := start + number / rate - time.monotonic()) > 0:
            time.sleep(wait)
        publisher.effect(f"{tag}-{number}", number)
    if device:
        wait_for(lambda: all(name in witness.at for name in publisher.published), 30, "every actuation")
    else:
        wait_for(lambda: publisher.receipted >= len(publisher.published), 30, "every receipt")
    publisher.close()
    return [(witness.at[name] - at) / 1e6 for name, at in publisher.published.items() if name in witness.at]


def saturation(port: int, seconds: float, pids: Pids) -> dict[str, float]:
    """Receipts a second while 64 effects are open at any time, and the CPU time of each role for one, in us."""
    publisher = Publisher(port)
    before = {role: sum(map(cpu_of, processes)) for role, processes in pids.items() if processes}
    tag = f"s-{time.monotonic_ns()}"
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        publisher.slots.acquire()
        publisher.effect(f"{tag}-{number}", number)
        number += 1
    wait_for(lambda: publisher.receipted >= number, 30, "every receipt")
    figures_ = {"receipts/s": number / (time.monotonic() - start)}
    for role, used in before.items():
        figures_[f"{role}, us"] = (sum(map(cpu_of, pids[role])) - used) / number * 1e6
    publisher.close()
    return figures_


def floor(rate: int, seconds: float) -> list[float]:
    """Four TCP hops through three relays, 128 bytes each."""
    ports = [free_port() for _ in range(4)]
    samples: list[float] = []
    with socket.create_server(("127.0.0.1", ports[3])) as sink, ExitStack() as stack:
        for number in (2, 1, 0):
            wait_for(lambda number=number: _bound(ports[number + 1]), what="the next in the chain")
            relay = [sys.executable, "-m", "benchmarks.hops", str(ports[number]), str(ports[number + 1])]
            stack.callback(_end, subprocess.Popen(relay, cwd=REPOSITORY))
            if number == 2:
                end = sink.accept()[0]
        wait_for(lambda: _bound(ports[0]), what="the first relay")
        out = stack.enter_context(socket.create_connection(("127.0.0.1", ports[0])))
        out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def hear() -> None:
            data = b""
            while len(samples) < int(rate * seconds):
                data += end.recv(65536)
                while len(data) >= 128:
                    samples.append((time.monotonic_ns() - int(data[:32])) / 1e6)
                    data = data[128:]

        hearer = threading.Thread(target=hear, daemon=True)
        hearer.start()
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            while (wait := start + number / rate - time.monotonic()) > 0:
                time.sleep(wait)
            out.sendall(b"%-32d" % time.monotonic_ns() + b"x" * 96)
        hearer.join(10)
        end.close()
    return samples


def _bound(port: int) -> bool:
    """Whether somebody listens, without connecting: a relay takes one connection."""
    return any(f":{port:04X} 00000000:0000 0A" in line for line in Path("/proc/net/tcp").read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--playsem", type=Path, help="a Python that has Python_PlaySEM installed: measured as well")
    parser.add_argument("--before", type=Path, help="a checkout of an older version: measured as well")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    samples: dict[str, dict[int, list[float]]] = {}
    saturated: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        mosquitto = Mosquitto(Path(folder))
        mosquitto.start()
        chains = {
            "effectd, embedded broker": lambda: effectd(None),
            "stub chain, embedded broker": lambda: stub(None),
            "effectd, mosquitto": lambda: effectd(mosquitto.port),
            "stub chain, mosquitto": lambda: stub(mosquitto.port),
        }
        if before := arguments.before:
            chains["before, embedded broker"] = lambda: effectd(None, before)
            chains["before, mosquitto"] = lambda: effectd(mosquitto.port, before)
        try:
            for _ in range(arguments.rounds):
                for rate in arguments.rates:
                    samples.setdefault("floor, four TCP hops", {}).setdefault(rate, []).extend(
                        floor(rate, min(2, arguments.seconds))
                    )
                if arguments.playsem:
                    with playsem(arguments.playsem) as (port, witness):
                        latencies(port, witness, 100, 0.5, "wind")
                        for rate in arguments.rates:
                            found = latencies(port, witness, rate, arguments.seconds, "wind")
                            samples.setdefault("Python_PlaySEM, one process", {}).setdefault(rate, []).extend(found)
                for name, chain in chains.items():
                    with chain() as (port, witness, pids):
                        latencies(port, witness, 100, 0.5)  # warm
                        for rate in arguments.rates:
                            found = latencies(port, witness, rate, arguments.seconds)
                            samples.setdefault(name, {}).setdefault(rate, []).extend(found)
                        saturated.setdefault(name, []).append(saturation(port, arguments.seconds, pids))
        finally:
            mosquitto.kill()
    rows: dict[str, dict[str, Any]] = {}
    for name, by_rate in samples.items():
        rows[name] = {
            f"{rate}/s p50; p99": "; ".join(f"{figures.percentile(by_rate[rate], share):.2f}" for share in (0.5, 0.99))
            for rate in arguments.rates
        }
        for key in saturated.get(name, [{}])[0]:
            rows[name][key] = "; ".join(f"{one[key]:.0f}" for one in saturated[name])
    figures.show("Published -> actuated (ms); at saturation: receipts/s, and CPU time for each", rows)
    figures.save(arguments.json and str(arguments.json), {"chain": rows})


if __name__ == "__main__":
    main()
