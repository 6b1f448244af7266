"""Recent history: effects with receipts, their latencies, and dead letters; pure, bounded."""

import base64
import binascii
from collections import OrderedDict, deque
from typing import Any

from effectd.messages import answers
from effectd.messages.topics import Topics

KEPT = 100
MEASURED = 1000  # latencies are computed over so many of the last done effects


class Effects:
    """The latest receipt of each effect; `shown`: the newest first."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._latencies: deque[float] = deque(maxlen=MEASURED)

    def receipt(self, fields: dict[str, Any]) -> dict[str, Any] | None:
        """What is new in it; None: nothing, or not a receipt."""
        effect_id, status = fields.get("id"), fields.get("status")
        if not isinstance(effect_id, str) or not isinstance(status, str):
            return None
        known = self._by_id.get(effect_id)
        if known is not None and (known.get("status") == status or known.get("status") in answers.FINAL):
            return None
        latency = fields.get("latency_ms")
        if status == "done" and isinstance(latency, int | float) and not isinstance(latency, bool):
            self._latencies.append(float(latency))
        self._by_id[effect_id] = fields
        if known is None and len(self._by_id) > KEPT:
            self._by_id.popitem(last=False)
        return fields

    @property
    def shown(self) -> list[dict[str, Any]]:
        return list(reversed(self._by_id.values()))

    @property
    def latency(self) -> dict[str, Any]:
        """ms; of 1000 values the 500th and the 990th."""
        ordered = sorted(self._latencies)
        count = len(ordered)
        p50, p99 = (ordered[min(int(count * part), count - 1)] if count else None for part in (0.5, 0.99))
        return {"p50": p50, "p99": p99, "count": count}


class DeadLetters:
    """The last dead letters, each with a rising number `n`; the effect's bytes are kept if the letter has them."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._by_n: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._last = 0

    def letter(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        """What is shown of it."""
        self._last += 1
        shown = {key: fields.get(key) for key in ("id", "topic", "payload", "detail", "at")}
        found = {"n": self._last, "kind": kind, **shown}
        kept = {"base64": fields.get("payload_base64"), "shown": found}
        found["sendable"] = self._payload(kept) is not None
        self._by_n[self._last] = kept
        if len(self._by_n) > KEPT:
            self._by_n.popitem(last=False)
        return found

    @property
    def shown(self) -> list[dict[str, Any]]:
        return [kept["shown"] for kept in reversed(self._by_n.values())]

    def effect(self, n: int) -> tuple[str, bytes] | None:
        """Effect type and payload of the letter `n`; None: it does not exist, or cannot be sent again."""
        kept = self._by_n.get(n)
        payload = self._payload(kept) if kept is not None else None
        if kept is None or payload is None:
            return None
        return self._topics.split(kept["shown"]["topic"])[1], payload

    def _payload(self, kept: dict[str, Any]) -> bytes | None:
        """The bytes of an effect, if the letter has all of them."""
        topic, detail = kept["shown"]["topic"], str(kept["shown"]["detail"])
        levels = self._topics.split(topic) if isinstance(topic, str) else []
        if len(levels) < 2 or levels[0] != "effects" or not levels[1] or "bytes shown)" in detail:
            return None
        try:
            return base64.b64decode(kept["base64"], validate=True) or None
        except (TypeError, ValueError, binascii.Error):
            return None
