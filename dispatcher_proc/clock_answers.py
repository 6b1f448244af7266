"""Answers programs on other machines that ask for this machine's time, and remembers how far their clocks are ahead."""

import json
import time

from dispatcher_proc.part import Handler, Message, OnRequest, Part
from effectd.base.errors import BrokerLost
from effectd.messages.topics import Topics
from effectd.program.broker_session import BrokerSession
from effectd.readiness.gate import Reply, Request

MOST = 100  # askers that are remembered


class ClockAnswers(Part):
    """The deadlines of effects are given by this clock (effectd/program/far_clock.py asks)."""

    def __init__(self, broker: BrokerSession, topics: Topics) -> None:
        self._broker, self._topics = broker, topics
        self._ahead: dict[str, float] = {}  # by client id, ms

    def topics(self) -> dict[str, Handler]:
        return {self._topics.ask_clock("+"): self._asked}

    def requests(self) -> dict[str, OnRequest]:
        return {"clocks": self._clocks}

    def _asked(self, message: Message) -> None:
        try:
            asked = json.loads(message.payload)
            number, ahead = int(asked["n"]), asked.get("ahead_ms")
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return
        (client_id,) = message.words
        if isinstance(ahead, int | float) and (client_id in self._ahead or len(self._ahead) < MOST):
            self._ahead[client_id] = float(ahead)
        answer = json.dumps({"n": number, "at": time.time() * 1000}).encode()
        if self._broker.link.up and self._broker.link.has_room():
            try:
                self._broker.link.publish(self._topics.answer_clock(client_id), answer)
            except BrokerLost:
                pass  # it will ask again

    def _clocks(self, _request: Request, reply: Reply) -> None:
        reply({"done": "clocks", "ahead_ms": self._ahead})
