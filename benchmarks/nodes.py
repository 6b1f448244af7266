"""Nodes of brokers by others, each alone in a folder on free ports of this machine: mosquitto, NATS, RabbitMQ.

A node can be killed and started again; those of a NATS or RabbitMQ cluster are started together.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.load import enter
from tests.needs import need
from tests.system.home import listens

RABBITMQ = Path("/usr/lib/rabbitmq/bin")
STARTED_S = 120.0  # three Erlang machines on two cores


def quiet_port() -> int:
    """A free one that the kernel gives to no outgoing connection: a node takes seconds until it listens."""
    while True:
        port = random.randrange(15_000, 32_000)
        if not listens(port):
            return port


class Node(ABC):
    """`port`: for MQTT."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.port = folder / name, name, quiet_port()
        self.folder.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> tuple[list[str], dict[str, str]]:
        """What to start, and what it has in its environment beside ours."""

    def start(self) -> None:
        command, environment = self.command()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | environment,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9, and whatever it has started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def answers(self) -> bool:
        """Whether a client is let in."""
        try:
            enter(str(self.port), five=False).close()
        except OSError:
            return False
        return True

    def wait(self) -> None:
        end = time.monotonic() + STARTED_S
        while not self.answers():
            log = (self.folder / "log").read_text(errors="replace")
            assert time.monotonic() < end, f"{self.name} does not answer: {log[-2000:]}"
            time.sleep(0.2)


class MosquittoNode(Node):
    def command(self) -> tuple[list[str], dict[str, str]]:
        conf = self.folder / "mosquitto.conf"
        lines = (f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false", "set_tcp_nodelay true")
        conf.write_text("\n".join(lines) + "\n")
        return [need("mosquitto", "mosquitto"), "-c", str(conf)], {}


class NatsNode(Node):
    """`peers`: all nodes of its cluster, itself among them; `stores`: whether JetStream keeps anything there.

    `consumer_replicas`: 0 = as many as there are of each stream.
    """

    stores, consumer_replicas = True, 0

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self.peers: Sequence[NatsNode] = (self,)
        self.route = quiet_port()

    def command(self) -> tuple[list[str], dict[str, str]]:
        conf = self.folder / "nats.conf"
        # said, for one without JetStream would ask for one copy
        copies = min(3, sum(peer.stores for peer in self.peers))
        more = f", consumer_replicas: {self.consumer_replicas}" if self.consumer_replicas else ""
        text = (
            f'listen: "127.0.0.1:{quiet_port()}"\nserver_name: {self.name}\n'
            f"mqtt {{ host: 127.0.0.1, port: {self.port}, stream_replicas: {copies}{more} }}\n"
        )
        if self.stores:
            text += f'jetstream {{ store_dir: "{self.folder}/store" }}\n'
        if len(self.peers) > 1:
            routes = ", ".join(f'"nats://127.0.0.1:{peer.route}"' for peer in self.peers)
            text += f'cluster {{ name: room, listen: "127.0.0.1:{self.route}", routes: [{routes}] }}\n'
        conf.write_text(text)
        return ["nats-server", "-c", str(conf)], {}


class NatsFront(NatsNode):
    """One of those by which clients come in, with nothing to keep; the three that keep are beside them."""

    stores = False


class RabbitNode(Node):
    """`peers`: as above; the names of Erlang's nodes are of this run alone, and so is its `epmd`."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self.peers: Sequence[RabbitNode] = (self,)
        self._amqp, self._distribution = quiet_port(), quiet_port()
        self.epmd = 0  # the port of Erlang's name server

    @property
    def erlang(self) -> str:
        return f"{self.name}@localhost"

    def command(self) -> tuple[list[str], dict[str, str]]:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self._amqp}",
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
            "mqtt.allow_anonymous = true",
            "mqtt.default_user = guest",
            "mqtt.default_pass = guest",
            "mqtt.tcp_listen_options.nodelay = true",
        ]
        if len(self.peers) > 1:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines += [
                f"cluster_formation.classic_config.nodes.{at} = {peer.erlang}" for at, peer in enumerate(self.peers, 1)
            ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        cookie = self.folder / ".erlang.cookie"
        cookie.unlink(missing_ok=True)
        cookie.write_text("benchmark")
        cookie.chmod(0o400)
        return [str(RABBITMQ / "rabbitmq-server")], {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": self.erlang,
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


def there(kind: type[Node]) -> bool:
    """Whether Debian's package of it is installed."""
    if kind is RabbitNode:
        return (RABBITMQ / "rabbitmq-server").exists()
    return not issubclass(kind, NatsNode) or shutil.which("nats-server") is not None


@contextlib.contextmanager
def started(kind: type[Node], count: int = 1) -> Iterator[list[Node]]:
    """So many nodes that answer; with NATS and RabbitMQ they are one cluster."""
    with tempfile.TemporaryDirectory(prefix="n", dir="/tmp") as name:
        nodes: list[Node] = [kind(Path(name), f"n{number}") for number in range(1, count + 1)]
        behind: list[Node] = [NatsNode(Path(name), f"s{n}") for n in range(1, 4)] if kind is NatsFront else []
        epmd = quiet_port()
        for node in (*behind, *nodes):
            if isinstance(node, NatsNode | RabbitNode):
                node.peers = [*behind, *nodes]  # type: ignore[assignment]
            if isinstance(node, RabbitNode):
                node.epmd = epmd
        names: subprocess.Popen[bytes] | None = None
        if kind is RabbitNode:  # else the first node starts one that outlives it
            names = subprocess.Popen(["epmd", "-port", str(epmd), "-address", "127.0.0.1"], stdin=subprocess.DEVNULL)
        try:
            for node in (*behind, *nodes):
                node.start()
                if kind is RabbitNode:  # one after the other: those that form a cluster at one moment form several
                    node.wait()
            for node in (*behind, *nodes):
                node.wait()
            yield nodes
        finally:
            for node in (*nodes, *behind):
                node.kill()
            if names is not None:
                names.terminate()
                names.wait(10)
