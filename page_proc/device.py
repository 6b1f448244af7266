"""One device as the page shows it: its configuration and its current state; pure."""

from collections import OrderedDict
from typing import Any

from effectd.config import schema
from effectd.messages import location
from effectd.messages.effect import rgb_of

_ASKED = 64  # effects per device that are remembered for their duration: a state may come after the next `set`
_PRESENT = {b"online": True, b"offline": False}


class Device:
    """`take` returns whether something that is shown has changed. Moments are Unix ms."""

    def __init__(self, name: str, found: schema.Device) -> None:
        self.name = name
        self.configure(found)
        self._asked: OrderedDict[str, int] = OrderedDict()  # effect id -> duration, ms
        self._began: tuple[str | None, int] = (None, 0)  # the effect and its start, to recognise a repeated state
        self.now: dict[str, Any] = {}
        self.forget()

    def configure(self, found: schema.Device) -> None:
        place = location.parse(found.location)
        self.program = None if found.remote else found.bus or self.name
        self._acks = found.acks
        self.about: dict[str, Any] = {
            **{"kind": found.kind, "effects": found.effects, "location": found.location, "place": place},
            **{"zones": found.zones, "program": self.program, "remote": found.remote, "acks": found.acks},
            **{"dry_run": found.dry_run, "limits": found.limits},
        }

    def forget(self) -> None:
        """Forget everything: the broker is gone, and may come back empty."""
        self.now = {"online": None, "latency_ms": self.now.get("latency_ms")} | _off()

    def shown(self) -> dict[str, Any]:
        return self.about | self.now

    def said(self, word: str, payload: bytes, fields: dict[str, Any], at: int) -> bool:
        """A message on `devices/<device>/<word>`."""
        before = dict(self.now)
        if word == "state" and fields:
            self._does(fields)
        elif word == "availability":
            self.now["online"] = _PRESENT.get(payload)
        elif word == "set":
            self._set(fields, at)
        return self.now != before

    def done_in(self, latency_ms: float) -> bool:
        changed = bool(self.now["latency_ms"] != latency_ms)
        self.now["latency_ms"] = latency_ms
        return changed

    def _set(self, fields: dict[str, Any], at: int) -> None:
        effect_id, duration = fields.get("id"), fields.get("duration")
        if not isinstance(effect_id, str) or not isinstance(duration, int):
            return
        self._asked[effect_id] = duration
        if len(self._asked) > _ASKED:
            self._asked.popitem(last=False)
        if not self._acks:  # what was requested is all that can be known
            self._does(fields | {"on": bool(fields.get("intensity")), "effect_id": effect_id, "since": at})

    def _does(self, fields: dict[str, Any]) -> None:
        reason = fields.get("reason")
        self.now |= _off() | {"reason": reason if isinstance(reason, str) else "", "since": _moment(fields)}
        if fields.get("on") is not True:
            return
        effect_id, intensity = fields.get("effect_id"), fields.get("intensity")
        parameters = fields.get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        if effect_id is None or effect_id != self._began[0]:
            self._began = effect_id, _moment(fields) or 0
        duration = self._asked.get(str(effect_id))
        self.now |= {
            "on": True,
            "effect_type": fields.get("effect_type"),
            "intensity": intensity if isinstance(intensity, int | float) else 0,
            "parameters": parameters,
            "rgb": rgb_of(parameters),
            "effect_id": effect_id,
            "ends_at": self._began[1] + duration if duration else None,
        }


def _off() -> dict[str, Any]:
    off: dict[str, Any] = {
        "on": False,
        "effect_type": None,
        "intensity": 0,
        "parameters": {},
        "rgb": None,
        "effect_id": None,
    }
    return off | {"since": None, "ends_at": None, "reason": ""}


def _moment(fields: dict[str, Any]) -> int | None:
    since = fields.get("since")
    return since if isinstance(since, int) and not isinstance(since, bool) else None
