"""Answers `{"do":"queues"}` at the gate: how much waits in the dispatcher, for the page and its metrics."""

from collections.abc import Callable, Mapping

from dispatcher_proc.part import OnRequest, Part
from effectd.readiness.gate import Reply, Request


class Queues(Part):
    def __init__(self, lengths: Mapping[str, Callable[[], int]]) -> None:
        self._lengths = lengths

    def requests(self) -> dict[str, OnRequest]:
        return {"queues": self._asked}

    def _asked(self, _request: Request, reply: Reply) -> None:
        reply({"done": "queues", "queues": {name: length() for name, length in self._lengths.items()}})
