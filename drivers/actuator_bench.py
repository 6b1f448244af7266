"""A bench for one actuator without its program: effects in; changes, acks and states out."""

from typing import Any

import msgspec

from drivers.actuator import Actuator
from drivers.envelope import Envelope
from drivers.fence import Fence
from drivers.reporter import Reporter
from effectd.config.schema import Device
from effectd.messages.effect import Deadline, Effect, boot_id
from effectd.messages.topics import Topics
from effectd.testing import FakeLink, FakeLoop, MemoryJournal


class ActuatorBench:
    """The real limits, off timer, fade, fence and answers. The test, or a subclass, brings out each `actuator.next`."""

    def __init__(self, device: Device, name: str = "device", loop: FakeLoop | None = None) -> None:
        self.name, self.device = name, device
        self.loop, self.link, self.journal = loop or FakeLoop(), FakeLink(), MemoryJournal()
        self._topics, self._began, self._sent = Topics(), self.loop.now, 0
        reporter = Reporter(self.loop, self._topics, name, device, self.journal)
        reporter.link = self.link
        self._fence = Fence(self.journal, reporter.fence)
        envelope = Envelope(self.loop, device, self.journal)
        self.actuator = Actuator(self.loop, device, reporter, self._fence, envelope, self.wake)

    def wake(self) -> None:
        """The actuator may have a change due."""

    def send(self, intensity: float = 100, duration: int = 1000, *, ttl_ms: int | None = None, **fields: Any) -> str:
        """An effect as the dispatcher sends it, `fields` are its other fields; its id, e0, e1, ..., is returned."""
        if ttl_ms is not None:
            fields["deadline"] = Deadline(boot_id(), int(self.loop.now * 1000) + ttl_ms)
        effect_id = f"e{self._sent}"
        self._sent += 1
        fields = {"effect_type": self.device.effects[0]} | fields
        self.actuator.take(Effect(id=effect_id, seq=self._sent, intensity=intensity, duration=duration, **fields))
        return effect_id

    def stop(self) -> None:
        """A stop, and the dispatcher's answer that it has ended what it had queued."""
        self.actuator.stop()
        self._fence.resume(self.link.payloads(self._topics.fence(self.name))[-1])

    def advance(self, seconds: float) -> None:
        """Advance the bench's clock; no real time passes."""
        self.loop.advance(seconds)

    @property
    def ms(self) -> int:
        """Milliseconds since the start."""
        return round((self.loop.now - self._began) * 1000)

    @property
    def acks(self) -> dict[str, str]:
        """The status with which each effect was acknowledged: done, failed, stopped, ..."""
        return {ack["id"]: ack["status"] for ack in self.answers()}

    @property
    def reasons(self) -> dict[str, str]:
        """The reason in that ack."""
        return {ack["id"]: ack["reason"] for ack in self.answers()}

    def answers(self) -> list[dict[str, Any]]:
        """Every ack that was published, in order."""
        return self._published(self._topics.ack(self.name))

    @property
    def states(self) -> list[dict[str, Any]]:
        """Each state that the device has published, at most 20 a second."""
        return self._published(self._topics.state(self.name))

    def _published(self, topic: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(payload, type=dict[str, Any]) for payload in self.link.payloads(topic)]
