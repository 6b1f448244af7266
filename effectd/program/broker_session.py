"""Connects while the broker is ready, and reports which broker run we are ready under.

A program never exits because the broker is away: it reports `waiting` and recovers by itself, so any order of start,
stop and restart converges (docs/decisions/0002-readiness.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

from effectd.base.loop import AnyLoop
from effectd.config import programs
from effectd.program.link import Link, OnMessage, Will
from effectd.program.process import Process
from effectd.readiness.gate import Gate
from effectd.readiness.gate_watcher import GateView, GateWatcher


class BrokerSession:
    """The broker connections of one program, made by `connect`, under one gate.

    The program is ready when all of them are. `link`: the first one, for most programs the only one; in the
    constructor, its class.
    """

    def __init__(
        self,
        process: Process,
        loop: AnyLoop,
        watcher: GateWatcher,
        *,
        on_change: Callable[[], None] = lambda: None,
        trouble: str = "",
        link: Callable[..., Any] = Link,
    ) -> None:
        self._make_link = link
        self._process, self._loop, self._watcher = process, loop, watcher
        self._gate: Gate = process.gate
        self._on_change = on_change
        self._trouble, self._trouble_state = trouble, "starting"
        self._unnoted: dict[str, str] = {}
        self._remark = ""
        self._stopping = False
        self.generation: str | None = None  # the broker's run to which the links are, or will be, connected
        self.address = process.config.address  # its address
        self._links: list[Link] = []
        self._braked_s = process.wait_s
        self._broker: GateView | None = None

    def connect(
        self,
        name: str,
        *,
        subscriptions: Sequence[str],
        on_message: OnMessage,
        on_up: Callable[[], None],
        will: Will | None = None,
    ) -> Link:
        """Add a connection with its own last will, in the name of a program or device; before `start`."""
        link: Link = self._make_link(
            self._loop,
            self.address,
            self._process.config.client_id(name),
            subscriptions=subscriptions,
            on_message=on_message,
            on_up=lambda: self._up(on_up),
            on_down=self._down,
            will=will,
        )
        self._links.append(link)
        return link

    def start(self) -> None:
        """Connect as soon as the broker is ready, and stay connected."""
        if self._braked_s:
            self._loop.call_later(self._braked_s, self._release)
        self._broker = self._watcher.watch(programs.BROKER, self._broker_changed)
        self._say()

    @property
    def link(self) -> Link:
        return self._links[0]

    @property
    def up(self) -> bool:
        return all(link.up for link in self._links)

    @property
    def missing(self) -> str:
        """Why there is no connection, in words; "" while there is."""
        if self.up:
            return ""
        if self._broker is None or not self._broker.ready:
            return self._broker.blocker if self._broker else programs.BROKER
        return "connecting to the broker"

    def trouble(self, reason: str) -> None:
        """The program itself cannot work (its device is away, ...): gate `degraded`. "" = it can again.

        Until the first such word the constructor's `trouble` counts, as `starting`.
        """
        self._trouble, self._trouble_state = reason, "degraded"
        self._say()

    def journal_trouble(self, reason: str, of: str = "") -> None:
        """The journal of the device `of` cannot be written: gate `degraded`, even if all else is well. "" = it can."""
        self._unnoted[of] = reason
        self._say()

    def remark(self, what: str) -> None:
        """A remark for the gate's line that is not a fault, such as a held device."""
        self._remark = what
        self._say()

    def close(self) -> None:
        self._stopping = True
        self._gate.say("stopping")
        for link in self._links:
            link.close()

    def _broker_changed(self, broker: GateView) -> None:
        if self._stopping:
            return
        generation = broker.line.generation if broker.ready and broker.line else None
        if generation != self.generation and self.generation is not None:
            for link in self._links:
                link.drop()
        self.generation = generation
        if generation is not None and broker.line is not None and not self._braked_s:
            self.address = self._process.config.address_at(broker.line.address)
            for link in self._links:
                link.open(self.address)
        self._say()
        self._on_change()

    def _release(self) -> None:
        self._braked_s = 0.0
        if self._broker is not None and not self._stopping:
            self._broker_changed(self._broker)

    def _up(self, on_up: Callable[[], None]) -> None:
        on_up()
        self._say()
        self._on_change()

    def _down(self, _why: str) -> None:
        self._say()
        self._on_change()

    def _say(self) -> None:
        if self._stopping:
            return
        state, reason = self._now()
        said = "; ".join(filter(None, (reason, self._remark)))
        self._gate.say(state, said, broker_generation=self.generation if state == "ready" else None)

    def _now(self) -> tuple[str, str]:
        """The gate's state, and what is missing."""
        if self._trouble:
            return self._trouble_state, self._trouble
        if unnoted := "; ".join(dict.fromkeys(filter(None, self._unnoted.values()))):
            return "degraded", unnoted
        if self._braked_s:
            return "waiting", f"crash-loop: it starts again after {self._braked_s:g} s"
        return ("ready", "") if self.up else ("waiting", self.missing)
