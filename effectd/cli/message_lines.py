"""Formats an MQTT message as a line of text for people."""

import time
from typing import Any

from effectd.cli import style
from effectd.cli.client import Message
from effectd.messages import holds
from effectd.messages.payload import value_of
from effectd.messages.topics import Topics


def in_words(message: Message, topics: Topics) -> str:
    """One line for people, "" for messages between machines."""
    text = message.payload.decode(errors="replace")
    value = value_of(text)
    fields = value if isinstance(value, dict) else {}
    match topics.split(message.topic):
        case ["devices", _, "set" | "ack" | "config"] | ["system", "holds"]:
            return ""  # internal messages are shown only as JSON; and `effectd hold` reports holds
        case ["devices", device, "state"]:
            said = f"{style.clean(device):<12}{style.doing(fields)}"
        case ["devices", device, "availability"]:
            said = f"{style.clean(device):<12}{style.paint(style.clean(text))}"
        case ["devices", device, "stop"]:
            said = f"{'stop':<12}{style.clean(device)}"
        case ["holds", name]:
            hold = holds.decode(name, message.payload, 0)
            whom = "" if hold is None or hold.target is None else f"  (only {', '.join(hold.target)})"
            said = (
                f"{'release':<12}{style.clean(name)}"
                if hold is None
                else f"{'hold':<12}{style.clean(str(hold) + whom, 400)}"
            )
        case ["stop-all"]:
            said = f"{'stop':<12}everything"
        case ["effects", *levels]:
            said = f"{'effect':<12}{style.clean('/'.join(levels))}  {style.clean(text)}"
        case ["receipts", effect_id]:
            said = f"{'receipt':<12}{style.receipt(fields)}  {style.clean(effect_id, 64)}"
        case ["dead-letters", word]:
            topic, detail = style.clean(str(fields.get("topic"))), style.clean(str(fields.get("detail")), 400)
            said = f"{'dead letter':<12}{style.paint(style.clean(word))}  {topic}  {detail}"
        case ["system", program, "state"]:
            reason = style.clean(str(fields.get("reason") or ""))
            state = style.paint(style.clean(str(fields.get("state"))))
            said = f"{style.clean(program):<12}{state}{': ' + reason if reason else ''}"
        case ["timelines", *levels]:
            said = f"{'timeline':<12}{_of_timeline(levels, fields, text)}"
        case _:
            said = f"{style.clean(message.topic)}  {style.clean(text)}"
    now = time.time()
    return f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}  {said}"


def _of_timeline(levels: list[str], fields: dict[str, Any], text: str) -> str:
    name = style.clean(levels[0], 32)
    if levels[1:] == ["state"]:
        at, length = (max(0.0, style.number(fields.get(key)) or 0.0) for key in ("position_ms", "duration_ms"))
        status = style.paint(style.clean(str(fields.get("status")), 16))
        return f"{name}  {status}  {style.clock(at)} / {style.clock(length)}"
    said = f"{len(text)} characters" if levels[1:] == ["load"] else style.clean(text)
    return f"{name}  {style.clean(' '.join(levels[1:]), 32)}  {said}"
