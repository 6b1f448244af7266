"""Maps topics and gate requests to the handlers of the dispatcher's parts."""

import logging
import re
from collections.abc import Iterable

from dispatcher_proc.part import Handler, Message, OnRequest, Part
from effectd.readiness.gate import Reply, Request

log = logging.getLogger(__name__)


class Table:
    """`subscriptions` are the topics of all parts, in the order in which the parts were added."""

    def __init__(self) -> None:
        self.subscriptions: list[str] = []
        self._rows: list[tuple[re.Pattern[str], Handler]] = []
        self._requests: dict[str, OnRequest] = {}

    def add(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._requests |= part.requests()
            for subscription, handler in part.topics().items():
                self.subscriptions.append(subscription)
                self._rows.append((_pattern(subscription), handler))

    def asked(self, request: Request, reply: Reply) -> None:
        """Pass one request at the gate to the part that answers it."""
        do = request.get("do")
        if isinstance(do, str) and do in self._requests:
            self._requests[do](request, reply)
        else:
            reply({"error": f"unknown request; this program knows {', '.join(self._requests)}"})

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Pass one message to the part that has subscribed to its topic."""
        for pattern, handler in self._rows:
            if found := pattern.fullmatch(topic):
                handler(Message(topic, found.groups(), payload, retained))
                return
        log.warning("a message on %s, to which no part has subscribed", topic)


def _pattern(subscription: str) -> re.Pattern[str]:
    """An MQTT filter as a regular expression: `+` is one level, a final `/#` the level itself and all below it."""
    text = re.escape(subscription).replace(r"\+", "([^/]*)").replace("/\\#", "(?:/.*)?")
    return re.compile(text, re.DOTALL)
