"""A bench for the dispatcher without broker or drivers: messages in, messages out."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from dispatcher_proc.dispatcher import Dispatcher
from effectd.config import reader
from effectd.messages import answers
from effectd.messages.answers import Ack, Receipt
from effectd.program.broker_session import BrokerSession
from effectd.program.process import Process
from effectd.readiness.gate_watcher import GateView
from effectd.readiness.line import Line
from effectd.testing import FakeLink, FakeLoop


class DispatcherBench:
    """The real Dispatcher of a home in `folder`, connected to a broker whose run is called b1; no driver is ready yet.

    `config` is the text of its config.yaml. A test feeds it (`message`, `ready`, `ack`) and reads what was published
    (`on`, `statuses`, `letters`), without the topic_root.
    """

    def __init__(self, folder: Path, config: str, now: float = 1000.0) -> None:
        (folder / "run").mkdir(mode=0o700, exist_ok=True)
        (folder / reader.FILE).write_text(config)
        self.process = Process("dispatcher", folder)
        self.process.config = reader.load(folder)
        self._topics = self.process.config.topics
        self.loop, self.link = FakeLoop(now), FakeLink()
        self.dispatcher = Dispatcher(self.process, self.loop, partial(BrokerSession, link=self._connection))
        self.dispatcher.start()
        self.gate("broker", Line("broker", 3, "ready", "b1"))

    def close(self) -> None:
        self.process.watcher(self.loop).close()
        self.process.gate.close()

    def gate(self, program: str, line: Line | None) -> None:
        """The gate of `program` has sent `line`, or is gone."""
        view = self.process.watcher(self.loop).watch(program, _nothing)
        view.line, view.stale, view.heard = line, False, math.inf  # its heartbeat never ends
        view.changed()

    def ready(self, *devices: str, run: str = "g1", broker: str = "b1") -> None:
        """The drivers of these devices, or of all, are ready: one run of each, under that run of the broker."""
        for device in devices or self.process.config.devices:
            self.gate(device, Line(device, 7, "ready", f"{device}-{run}", broker_generation=broker))

    def arrives(self, topic: str, payload: bytes | dict[str, Any], *, retained: bool = False) -> None:
        """A message from the broker; if it is an effect, its turn has not come yet."""
        data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        self.link.take(self._whole(topic), data, retained)

    def message(self, topic: str, payload: bytes | dict[str, Any], *, retained: bool = False) -> None:
        """A message from the broker, handled at once."""
        self.arrives(topic, payload, retained=retained)
        self.loop.advance(0)

    def ack(self, device: str, effect_id: str, status: str = "done") -> None:
        ack = Ack(id=effect_id, status=status)
        self.link.take(self._topics.ack(device), answers.encode(ack), False)
        self.loop.advance(0)

    def on(self, topic: str) -> list[dict[str, Any]]:
        """What was published on a topic, or below it where it ends with /."""
        whole = self._whole(topic)
        return [
            msgspec.json.decode(payload, type=dict[str, Any])
            for published, payload, _, _ in self.link.published
            if published == whole or (topic.endswith("/") and published.startswith(whole))
        ]

    def statuses(self, effect_id: str) -> list[str]:
        receipts = self.link.payloads(self._topics.receipt(effect_id))
        return [msgspec.json.decode(receipt, type=Receipt).status for receipt in receipts]

    def letters(self) -> list[tuple[str, str | None, str]]:
        """Every dead letter: the reason, the effect's id, and the detail."""
        whole = self._topics.dead_letter("")
        found = [
            (topic.removeprefix(whole), data) for topic, data, _, _ in self.link.published if topic.startswith(whole)
        ]
        letters = [(word, msgspec.json.decode(data, type=dict[str, Any])) for word, data in found]
        return [(word, letter["id"], letter["detail"]) for word, letter in letters]

    def _whole(self, topic: str) -> str:
        root = self.process.config.topic_root
        return f"{root}/{topic}" if root else topic

    def _connection(self, *arguments: Any, **named: Any) -> FakeLink:
        self.link = FakeLink(*arguments, up=False, **named)
        return self.link


def _nothing(_view: GateView) -> None:
    """The bench itself needs no gate's events."""
