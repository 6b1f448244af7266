"""Counts messages on the broker and exposes metrics in Prometheus' text format. Every set of labels is bounded.

Its memory does not grow with strangers' messages: effect types that are not configured are `other`, devices and
programs are those of the configuration, and of receipts and acks only so many are remembered.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from typing import Any

import msgspec

from effectd import __version__
from effectd.config.reader import Config
from effectd.config.schema import BrokerLimits
from effectd.messages.answers import FINAL, Ack, Receipt
from effectd.messages.holds import Hold
from effectd.messages.topics import Topics
from page_proc.figures import BROKER, FIGURES
from page_proc.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
STATES = ("starting", "waiting", "ready", "degraded", "stopping", "gone", "stopped")
LETTERS = ("malformed", "refused", "expired", "failed", "undeliverable", "overload")
SHOWS = ("empty", "loaded", "playing", "paused", "ended", "refused")
STAGES = ("deliver", "drive", "answer")
OTHER = "other"
REMEMBERED = 20_000  # receipts remembered to recognise repetitions, and effects that await their receipt
_SYS = "$SYS/broker/"
_LIMITS = frozenset({*BrokerLimits.__struct_fields__, "rights"})

Sample = tuple[str, tuple[str, ...], float | Histogram]

_receipt = msgspec.json.Decoder(Receipt)
_ack = msgspec.json.Decoder(Ack)


class _State(msgspec.Struct):
    on: bool
    intensity: float = 0
    reason: str = ""


class _Show(msgspec.Struct):
    status: str


class _Letter(msgspec.Struct):
    detail: str = ""


class Metrics:
    """`hear` takes every message, `text` answers `GET /metrics`; nothing is computed in between."""

    def __init__(self, config: Config) -> None:
        self._topics: Topics = config.topics
        self._counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._latency: dict[str, Histogram] = {}
        self._stages = {stage: Histogram(LATENCIES) for stage in STAGES}
        self._said: set[int] = set()  # receipts that were counted, because they may be repeated
        self._said_in_order: deque[int] = deque()
        self._acks: OrderedDict[str, list[tuple[str, Ack]]] = OrderedDict()
        self._online: dict[str, bool] = {}
        self._states: dict[str, _State] = {}
        self._holds: tuple[Hold, ...] = ()
        self._shows: dict[str, str] = {}
        self._broker: dict[str, float] = {}
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Use these effect types and devices, and no others. What was counted stays."""
        self._types = frozenset(config.effects)
        self._devices, self._acking = (
            frozenset(config.devices),
            frozenset(name for name, device in config.devices.items() if device.acks and not device.remote),
        )
        for known in (self._online, self._states):
            for name in set(known) - self._devices:
                del known[name]

    def lost(self) -> None:
        """The connection is gone: open effects may end unnoticed, and retained messages may disappear."""
        self._acks.clear()
        self._online.clear()
        self._states.clear()
        self._shows.clear()
        self._broker.clear()
        self._holds = ()

    def hear(self, topic: str, payload: bytes) -> None:
        """One message; malformed ones are not counted."""
        if topic.startswith(_SYS):
            self._hear_broker(topic.removeprefix(_SYS), payload)
            return
        try:
            match self._topics.split(topic):
                case ["receipts", _]:
                    self._hear_receipt(_receipt.decode(payload))
                case ["devices", device, word]:
                    if device in self._devices:
                        self._hear_device(device, word, payload)
                case ["stop-all"]:
                    self._count("effectd_stops_total", "all")
                case ["dead-letters", reason]:
                    self._hear_letter(reason if reason in LETTERS else OTHER, payload)
                case ["system", "holds"]:
                    self._holds = msgspec.json.decode(payload or b"[]", type=tuple[Hold, ...])
                case ["timelines", name, "state"]:
                    self._shows.pop(name, None)
                    if payload:
                        self._shows[name] = msgspec.json.decode(payload, type=_Show).status
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # only our own programs may publish there, but on another broker anyone may

    # --- messages ------------------------------------------------------------------------------------------------

    def _count(self, name: str, *labels: str, by: int = 1) -> None:
        self._counts[name, labels] += by

    def _type(self, effect_type: str) -> str:
        return effect_type if effect_type in self._types else OTHER

    def _hear_receipt(self, receipt: Receipt) -> None:
        if not self._is_new(hash((receipt.id, receipt.status, receipt.at))):
            return
        effect_type = self._type(receipt.effect_type)
        if receipt.status == "accepted":
            self._count("effectd_effects_accepted_total", effect_type)
            return
        if receipt.status not in FINAL:
            return
        self._count("effectd_effects_total", effect_type, receipt.status)
        acks = self._acks.pop(receipt.id, [])
        if receipt.latency_ms is None or receipt.status not in ("done", "partial"):
            return
        if effect_type not in self._latency:
            self._latency[effect_type] = Histogram(LATENCIES)
        self._latency[effect_type].observe(receipt.latency_ms / 1000)
        accepted_at = receipt.at - receipt.latency_ms
        for device, ack in acks:
            if ack.status == "done" and ack.received_at:
                self._stages["drive"].observe(_seconds(ack.received_at, ack.done_at))
                if device in self._acking:  # on this machine, so it has the same clock
                    self._stages["deliver"].observe(_seconds(accepted_at, ack.received_at))
                    self._stages["answer"].observe(_seconds(ack.done_at, receipt.at))

    def _is_new(self, key: int) -> bool:
        if key in self._said:
            return False
        self._said.add(key)
        self._said_in_order.append(key)
        if len(self._said_in_order) > REMEMBERED:
            self._said.discard(self._said_in_order.popleft())
        return True

    def _hear_device(self, device: str, word: str, payload: bytes) -> None:
        match word:
            case "ack":
                ack = _ack.decode(payload)
                so_far = [each for each in self._acks.pop(ack.id, []) if each[0] != device]
                self._acks[ack.id] = [*so_far, (device, ack)]
                if len(self._acks) > REMEMBERED:
                    self._acks.popitem(last=False)
            case "state" if payload:
                before, now = self._states.get(device), msgspec.json.decode(payload, type=_State)
                self._states[device] = now
                if now.reason and (before is None or before.reason != now.reason):
                    cause = "hold" if now.reason.startswith("held by ") else "limit"
                    self._count("effectd_device_kept_off_total", device, cause)
            case "availability" if payload:
                self._online[device] = payload == b"online"
            case "state" | "availability":
                self._states.pop(device, None)
                self._online.pop(device, None)
            case "stop":
                self._count("effectd_stops_total", "device")

    def _hear_letter(self, reason: str, payload: bytes) -> None:
        self._count("effectd_dead_letters_total", reason)
        if reason == "overload":
            detail = msgspec.json.decode(payload, type=_Letter).detail
            number = detail.rpartition("(")[2].partition(" refused")[0]
            self._count("effectd_overload_refused_total", by=int(number) if number.isdecimal() else 1)

    def _hear_broker(self, name: str, payload: bytes) -> None:
        if name in BROKER or name.removeprefix("limits/") in _LIMITS:
            try:
                self._broker[name] = float(payload.split(b" ")[0])
            except ValueError:
                self._broker.pop(name, None)

    # --- exposition ----------------------------------------------------------------------------------------------

    def text(
        self,
        shown: dict[str, dict[str, Any]],
        busy: dict[str, float],
        queues: dict[str, int],
        *,
        connected: bool,
    ) -> bytes:
        """The exposition. `shown`: each program, as the page shows it; `busy`: its CPU seconds."""
        from page_proc.exposition import exposed  # prometheus_client, imported on demand

        waiting: list[Sample] = [("effectd_queue_length", (name,), length) for name, length in queues.items()]
        programs = [*waiting, *_of_programs(shown, busy)]
        return exposed([*self._own(), *self._of_devices(), *programs, *self._of_broker(connected=connected)])

    def _own(self) -> Iterator[Sample]:
        yield "effectd_build_info", (__version__,), 1
        # counters start at 0, so that rate() sees the first event
        counts = Counter(dict.fromkeys(_beginnings(self._types), 0))
        counts.update(self._counts)
        for (name, labels), count in counts.items():
            yield name, labels, count
        for effect_type, found in self._latency.items():
            yield "effectd_effect_latency_seconds", (effect_type,), found
        for stage, found in self._stages.items():
            yield "effectd_effect_stage_seconds", (stage,), found
        everything = sum(hold.target is None for hold in self._holds)
        yield "effectd_holds", ("all",), everything
        yield "effectd_holds", ("some",), len(self._holds) - everything
        statuses = Counter(self._shows.values())
        for status in SHOWS:
            yield "effectd_timelines", (status,), statuses[status]

    def _of_devices(self) -> Iterator[Sample]:
        for device, online in self._online.items():
            yield "effectd_device_online", (device,), online
        for device, state in self._states.items():
            yield "effectd_device_on", (device,), state.on
            yield "effectd_device_intensity_ratio", (device,), state.intensity / 100
            yield "effectd_device_kept_off", (device,), bool(state.reason)

    def _of_broker(self, *, connected: bool) -> Iterator[Sample]:
        yield "effectd_broker_connected", (), connected
        for name, value in self._broker.items():
            if name in BROKER:
                yield *BROKER[name], value
            else:
                yield "effectd_broker_refusals_total", (name.removeprefix("limits/"),), value


def _beginnings(types: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for reason in LETTERS:
        yield "effectd_dead_letters_total", (reason,)
    yield "effectd_overload_refused_total", ()
    for scope in ("all", "device"):
        yield "effectd_stops_total", (scope,)
    for effect_type in sorted(types):
        yield "effectd_effects_accepted_total", (effect_type,)
        yield "effectd_effects_total", (effect_type, "done")
        yield "effectd_effects_total", (effect_type, "failed")


def _of_programs(shown: dict[str, dict[str, Any]], busy: dict[str, float]) -> Iterator[Sample]:
    yield "effectd_ready", (), bool(shown) and all(found["ready"] for found in shown.values())
    for name, found in shown.items():
        yield "effectd_program_ready", (name,), found["ready"]
        for state in STATES:
            yield "effectd_program_state", (name, state), found["state"] == state
        yield "effectd_program_restarts_total", (name,), found["restarts"]
        yield "effectd_program_stale_keys", (name,), len(found["stale"])
        if found["memory_bytes"] is not None:
            yield "effectd_program_memory_bytes", (name,), found["memory_bytes"]
    for name, seconds in busy.items():
        yield "effectd_program_cpu_seconds_total", (name,), seconds


def _seconds(begin_ms: float, end_ms: float) -> float:
    """Never negative, even if a clock was set meanwhile."""
    return max(0.0, (end_ms - begin_ms) / 1000)


assert {name for name, _ in BROKER.values()} <= set(FIGURES)
