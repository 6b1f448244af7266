"""An effect without a final status: its share for each device, and its journal record."""

import msgspec

from effectd.base.loop import Cancellable
from effectd.messages.effect import Effect

_LEAST_MS = 100_000_000_000  # Unix ms of 1973; Unix seconds of the year 5138


class Share:
    """One device's share of an effect."""

    __slots__ = ("delivered", "device", "effect", "first_sent", "open", "sent_at", "stopped")

    def __init__(self, device: str, effect: Effect, of: "OpenEffect") -> None:
        self.device, self.effect, self.open = device, effect, of
        self.sent_at = 0.0  # the last time, seconds of the loop's clock
        self.delivered = False  # may have been delivered; only the driver knows the outcome
        self.first_sent = 0  # ms of CLOCK_MONOTONIC
        self.stopped = False


class OpenEffect:
    """`received` in seconds of CLOCK_MONOTONIC; `statuses` has the status of each share that is settled."""

    __slots__ = (
        "announced",
        "effect",
        "note",
        "payload",
        "reasons",
        "received",
        "safe",
        "shares",
        "statuses",
        "timers",
        "topic",
        "unused",
    )

    def __init__(self, effect: Effect, note: str, topic: str, payload: bytes, received: float) -> None:
        self.effect, self.note, self.topic, self.payload, self.received = effect, note, topic, payload, received
        self.safe = False  # in the journal, so it survives the death of this process and `accepted` may be published
        self.announced = False  # `accepted` has been published
        self.shares: dict[str, Share] = {}
        self.statuses: dict[str, str] = {}
        self.reasons: list[str] = []
        self.timers: list[Cancellable] = []
        self.unused: dict[str, tuple[str, ...]] = {}  # by device: parameters that it does not use

    @property
    def seq(self) -> int:
        """Its number among the accepted ones; the same for every device."""
        return max((share.effect.seq for share in self.shares.values()), default=0)

    @property
    def pending(self) -> list[Share]:
        """The shares without an outcome."""
        return [share for name, share in self.shares.items() if name not in self.statuses]

    @property
    def past(self) -> str:
        """Why it had expired before it was handled."""
        given = self.effect.expires_at
        if given is not None and given < _LEAST_MS:
            return f"expires_at: {given} has passed long ago; it is in milliseconds, and this looks like seconds"
        return "expires_at or ttl_ms: it had passed before the effect was handled"

    @property
    def reason(self) -> str:
        done = [set(self.unused.get(name, ())) for name, status in self.statuses.items() if status == "done"]
        unused = ", ".join(sorted(set.intersection(*done))) if done else ""
        return "; ".join(filter(None, [self.note, *self.reasons, unused and f"not used: {unused}"]))


class Record(msgspec.Struct, array_like=True):
    """An open effect in the journal. `received` is of the boot `boot`."""

    effect: Effect
    shares: dict[str, Effect]
    note: str
    topic: str
    payload: bytes
    received: float
    boot: str
    statuses: dict[str, str]
    reasons: list[str]
    stopped: list[str]


def to_record(opened: OpenEffect, boot: str) -> bytes:
    shares = {name: share.effect for name, share in opened.shares.items()}
    return msgspec.msgpack.encode(
        Record(
            opened.effect,
            shares,
            opened.note,
            opened.topic,
            opened.payload,
            opened.received,
            boot,
            opened.statuses,
            opened.reasons,
            [name for name, share in opened.shares.items() if share.stopped],
        )
    )


def from_record(value: bytes, boot: str) -> tuple[OpenEffect, float]:
    """The effect, and its deadline (seconds of CLOCK_MONOTONIC; 0 = past, as after another boot)."""
    record = msgspec.msgpack.decode(value, type=Record)
    opened = OpenEffect(record.effect, record.note, record.topic, record.payload, record.received)
    opened.safe = True
    for name, sealed in record.shares.items():
        share = opened.shares[name] = Share(name, sealed, opened)
        share.stopped = name in record.stopped
    opened.statuses, opened.reasons = record.statuses, record.reasons
    deadlines = [sealed.deadline.ms / 1000 for sealed in record.shares.values() if sealed.deadline]
    return opened, min(deadlines) if deadlines and record.boot == boot else 0.0
