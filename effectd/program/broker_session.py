"""Connects while the broker is ready, and reports which broker run we are ready under.

A dependent never exits because the broker is away: it says `waiting` and is back without help, so every order of start,
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
    """One program's place behind the broker. `link.up` says whether it can publish now; `link`: the class of it."""

    def __init__(
        self,
        process: Process,
        loop: AnyLoop,
        watcher: GateWatcher,
        *,
        subscriptions: Sequence[str],
        on_message: OnMessage,
        on_up: Callable[[], None],
        on_change: Callable[[], None] = lambda: None,
        will: Will | None = None,
        trouble: str = "",
        link: Callable[..., Any] = Link,
    ) -> None:
        self._gate: Gate = process.gate
        self._on_up, self._on_change = on_up, on_change
        self._trouble, self._trouble_state = trouble, "starting"
        self._unnoted = ""
        self._stopping = False
        self.generation: str | None = None  # the broker's run that `link` is, or will be, connected to
        self.link: Link = link(
            loop,
            process.config.address,
            process.config.client_id(process.name),
            subscriptions=subscriptions,
            on_message=on_message,
            on_up=self._up,
            on_down=self._down,
            will=will,
        )
        self._braked_s = process.wait_s
        if self._braked_s:
            loop.call_later(self._braked_s, self._release)
        self._broker: GateView | None = None
        self._broker = watcher.watch(programs.BROKER, self._broker_changed)
        self._say()

    def trouble(self, reason: str) -> None:
        """The program itself cannot work (its device is away, ...): gate `degraded`. "" = it can again.

        Until the first such word the constructor's `trouble` counts, as `starting`.
        """
        self._trouble, self._trouble_state = reason, "degraded"
        self._say()

    def journal_trouble(self, reason: str) -> None:
        """The journal cannot be written: gate `degraded`, whatever else is well. "" = it can again."""
        self._unnoted = reason
        self._say()

    def close(self) -> None:
        self._stopping = True
        self._gate.say("stopping")
        self.link.close()

    def _broker_changed(self, broker: GateView) -> None:
        if self._stopping:
            return
        generation = broker.line.generation if broker.ready and broker.line else None
        if generation != self.generation and self.generation is not None:
            self.link.drop()
        self.generation = generation
        if generation is not None and not self._braked_s:
            self.link.open()
        self._say()
        self._on_change()

    def _release(self) -> None:
        self._braked_s = 0.0
        if self._broker is not None and not self._stopping:
            self._broker_changed(self._broker)

    def _up(self) -> None:
        self._on_up()
        self._say()
        self._on_change()

    def _down(self, _why: str) -> None:
        self._say()
        self._on_change()

    def _say(self) -> None:
        if self._stopping:
            return
        if self._trouble:
            self._gate.say(self._trouble_state, self._trouble)
        elif self._unnoted:
            self._gate.say("degraded", self._unnoted)
        elif self._braked_s:
            self._gate.say("waiting", f"crash-loop: it starts again after {self._braked_s:g} s")
        elif self.link.up:
            self._gate.say("ready", broker_generation=self.generation)
        elif self._broker is None or not self._broker.ready:
            self._gate.say("waiting", self._broker.blocker if self._broker else "broker")
        else:
            self._gate.say("waiting", "connecting to the broker")
