"""Publishes for a device: acks, state, availability, configuration; kept until there is a connection."""

from collections import OrderedDict
from collections.abc import Collection

import msgspec
from msgspec import UNSET

from effectd.base.errors import BrokerLost
from effectd.base.journal import Notes
from effectd.base.loop import AnyLoop, Cancellable
from effectd.config.schema import Device
from effectd.messages import answers
from effectd.messages.answers import Ack, KeptOff, State
from effectd.messages.effect import Effect, boot_id
from effectd.messages.topics import Topics
from effectd.program.link import Publisher

STATE_EVERY_S = 0.05  # at most 20 a second, the last one always (section 2 of the contract)
REMEMBERED = 2000  # effects, for repeating an ack byte for byte

_UNUSED = 20  # parameters named in an ack
REASON_CHARS = 200  # of an ack; a device's error message can be a whole page

JOURNAL_BYTES = 1 << 20
_SEEN = "s:"
_COMPLETE_SINCE = "since"

_Key = tuple[str, int]  # id and seq: an id may be used again after 60 s, a resent effect has its old seq


class Reporter:
    """Publishes for one device over `link`; `connected` publishes everything retained again."""

    def __init__(self, loop: AnyLoop, topics: Topics, name: str, device: Device, journal: Notes) -> None:
        self._loop, self._topics, self._name = loop, topics, name
        config: dict[str, object] = {
            "kind": device.kind,
            "effects": device.effects,
            "location": device.location,
            "zones": device.zones,
            "limits": msgspec.structs.replace(device.limits, max_flash_hz=device.flash_hz),
        }
        self._config = answers.encode(config | ({"bus": device.bus} if device.bus else {}))
        self.link: Publisher | None = None
        self.understood: Collection[str] | None = None  # parameters; None: any
        self._state = State(on=False)
        self._state_due: Cancellable | None = None
        self._state_at = -STATE_EVERY_S
        self._available = False
        self._journal = journal
        self._acks: OrderedDict[_Key, bytes | None] = OrderedDict()  # None: received, not acknowledged yet
        self._complete_since = self._since()
        self._restore()
        self._received: dict[_Key, int] = {}  # Unix ms, until it is acked
        self._unpublished: dict[_Key, bytes] = {}

    def _since(self) -> int:
        """Since when the journal has been complete: ms of CLOCK_MONOTONIC, 0 = always."""
        boot, _, since = self._journal.found.get(_COMPLETE_SINCE, b"").decode().partition(" ")
        if self._journal.lost or self._journal.new:
            boot, since = boot_id(), str(int(self._loop.time() * 1000))
            self._journal.put(_COMPLETE_SINCE, f"{boot} {since}".encode())
        return int(since) if since and boot == boot_id() else 0

    def lost_track_of(self, effect: Effect) -> bool:
        """Whether it was sent before the journal was lost: it may have been driven, and there is no way to know."""
        return 0 < effect.first_sent <= self._complete_since

    def _restore(self) -> None:
        """The records of the last run, in the order of `seq`."""
        keys = sorted((_key(key) for key in self._journal.found if key.startswith(_SEEN)), key=lambda key: key[1])
        for key in keys:
            self._acks[key] = self._journal.found[_seen(key)] or self._interrupted(key[0])
        while len(self._acks) > REMEMBERED:
            self._forget_oldest()

    @property
    def driven(self) -> list[int]:
        """The seqs in the journal."""
        return [seq for _, seq in self._acks]

    @property
    def trouble(self) -> str:
        """Why nothing can be written to the journal."""
        return self._journal.trouble

    def first_time(self, effect: Effect) -> bool:
        """Whether this effect is new; for one that is sent again, its ack, if any, is repeated byte for byte."""
        key = (effect.id, effect.seq)
        if key not in self._acks:
            self._acks[key], self._received[key] = None, answers.unix_ms()
            if len(self._acks) > REMEMBERED:
                self._forget_oldest()
            return True
        if (payload := self._acks[key]) is not None:
            self._publish_ack(key, payload)
        return False

    def seen(self, effect: Effect) -> bool:
        """Called before the actuator is touched: if this process dies now, the effect is never applied again.

        False: it cannot be noted, so the actuator must not be touched.
        """
        return self._note((effect.id, effect.seq), b"")

    def ack(self, effect: Effect, status: str, reason: str = "") -> None:
        """Acknowledge an effect; only the first status of each is published."""
        key = (effect.id, effect.seq)
        received = self._received.pop(key, None)
        if received is not None:
            reason = reason if len(reason) <= REASON_CHARS else reason[: REASON_CHARS - 3] + "..."
            ack = Ack(id=effect.id, status=status, reason=reason, received_at=received, done_at=answers.unix_ms())
            if status == "done" and self.understood is not None and effect.parameters:
                unused = (name for name in effect.parameters if name not in self.understood and name != "ttl_ms")
                ack.unused = tuple(sorted(unused)[:_UNUSED]) or UNSET
            payload = self._acks[key] = answers.encode(ack)
            if status in ("done", "failed"):  # other effects never touched the actuator
                self._note(key, payload)
            self._publish_ack(key, payload)

    def state(self, effect: Effect | None, reason: str = "") -> None:
        """Publish what the actuator does now, None = nothing (`reason`: why); called after it moved, never before."""
        self._state = KeptOff(on=False, reason=reason) if reason else State(on=False)
        if effect is not None:
            self._state = State(
                on=bool(effect.intensity),
                effect_type=effect.effect_type,
                intensity=float(effect.intensity),
                parameters=effect.parameters,
                effect_id=effect.id,
            )
        if self._state_due is None:
            wait = self._state_at + STATE_EVERY_S - self._loop.time()
            if wait <= 0:
                self._publish_state()
            else:
                self._state_due = self._loop.call_later(wait, self._publish_state)

    def available(self, available: bool) -> None:
        if available != self._available:
            self._available = available
            self._publish_availability()

    def close(self) -> None:
        """Publish the delayed state, if any, then `offline`."""
        if self._state_due is not None:
            self._publish_state()
        self.available(False)

    def connected(self) -> None:
        """A new connection: the broker may have lost everything, so publish all of it again."""
        self._publish(self._topics.config(self._name), self._config, retain=True)
        self._publish_availability()
        self._publish_state()
        for key, payload in list(self._unpublished.items()):
            self._publish_ack(key, payload)

    def fence(self, token: bytes) -> None:
        self._publish(self._topics.fence(self._name), token, retain=True)

    def _note(self, key: _Key, payload: bytes) -> bool:
        """Note it in the journal; if there is no room, forget the oldest one that has been acked."""
        while not self._journal.fits(_seen(key), payload):
            oldest = next(iter(self._acks), key)
            if oldest == key or self._acks[oldest] is None:
                break
            self._forget_oldest()
        return self._journal.put(_seen(key), payload)

    def _forget_oldest(self) -> None:
        self._journal.forget(_seen(self._acks.popitem(last=False)[0]))

    def _publish_state(self) -> None:
        if self._state_due is not None:
            self._state_due.cancel()
            self._state_due = None
        self._state_at = self._loop.time()
        self._publish(self._topics.state(self._name), answers.encode(self._state), retain=True)

    def _publish_availability(self) -> None:
        self._publish(self._topics.availability(self._name), b"online" if self._available else b"offline", retain=True)

    def _publish_ack(self, key: _Key, payload: bytes) -> None:
        if self._publish(self._topics.ack(self._name), payload):
            self._unpublished.pop(key, None)
        else:
            self._unpublished[key] = payload
            while len(self._unpublished) > REMEMBERED:
                del self._unpublished[next(iter(self._unpublished))]

    def _interrupted(self, effect_id: str) -> bytes:
        reason = "interrupted: the driver died while it drove the device"
        return answers.encode(Ack(id=effect_id, status="failed", reason=reason, done_at=answers.unix_ms()))

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Acks have QoS 0: the dispatcher asks again for one that a lost connection has swallowed."""
        if self.link is None:
            return False
        try:
            self.link.publish(topic, payload, qos=int(retain), retain=retain)
        except BrokerLost:
            return False
        return True


def _seen(key: _Key) -> str:
    return f"{_SEEN}{key[1]}:{key[0]}"


def _key(seen: str) -> _Key:
    seq, _, effect_id = seen.removeprefix(_SEEN).partition(":")
    return effect_id, int(seq)
