"""An MQTT client for a command: a Link on a Loop that runs while the command waits."""

import contextlib
import logging
import os
import secrets
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import typer

from effectd.base.errors import BrokerLost
from effectd.base.loop import Loop
from effectd.config import programs
from effectd.config.reader import Config
from effectd.messages import answers
from effectd.messages.payload import fields_of
from effectd.program.link import Link
from effectd.readiness import glance
from effectd.readiness.gate_watcher import GateView, GateWatcher

CONNECT_S = 3.0
AGAIN_S = 0.5  # an effect without a receipt is published again (section 1 of the contract)

# a command says itself why it gives up; without this, Python would print the link's warnings into its output
logging.getLogger("effectd").addHandler(logging.NullHandler())


class Message(NamedTuple):
    topic: str
    payload: bytes
    retained: bool


class Sent:
    """An effect that was sent. `receipt`: the latest one; `final`: whether it is the final one."""

    def __init__(self, topic: str, payload: bytes) -> None:
        self.topic, self.payload = topic, payload
        self.receipt: dict[str, Any] = {}
        self.raw = b""

    @property
    def final(self) -> bool:
        return self.receipt.get("status") in answers.FINAL


class Client:
    """`with Client(tree, "watch", topics) as client: client.connect(3.0)`; it works only inside its methods.

    A sender of effects subscribes to their receipts.
    """

    def __init__(
        self,
        tree: Config,
        name: str,
        subscriptions: Sequence[str],
        *,
        on_up: Callable[[], None] = lambda: None,
        on_down: Callable[[str], None] = lambda _why: None,
    ) -> None:
        self.loop = Loop()
        # run/ of another user's home cannot be entered: connect to the port like any other client
        own = os.access(tree.home / "run", os.X_OK)
        several = own and len(tree.broker.nodes) > 1  # then the broker program says which one the home uses
        said = glance.last_words(tree.home / "run", programs.BROKER) if several else None
        self.address = tree.address_at(said.address if said else None) if own else tree.broker.address
        token = f"cli-{name}-{secrets.token_hex(4)}"
        # the home's own ids are allowed only by its socket
        self.client_id = tree.client_id(token) if own else f"effectd-{token}"
        self.sent: dict[str, Sent] = {}
        self._topics, self._on_up, self._on_down = tree.topics, on_up, on_down
        self._inbox: deque[Message] = deque()
        self._last_failure = ""
        self.link = Link(
            self.loop,
            self.address,
            self.client_id,
            subscriptions=subscriptions,
            on_message=self._take,
            on_up=self._up,
            on_down=self._down,
        )
        self.link.on_failure = self._failed
        self._tree, self._watcher = tree, GateWatcher(self.loop, tree.home / "run") if several else None
        if self._watcher is not None:
            self._watcher.watch(programs.BROKER, self._moved)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._watcher is not None:
            self._watcher.close()
        self.link.close()

    @property
    def trouble(self) -> str:
        """Why there is no connection, if known; "" while there is one."""
        return "" if self.link.up else self._last_failure

    def connect(self, seconds: float) -> None:
        """Raises BrokerLost where no broker has answered within `seconds`."""
        self.open()
        if not self.loop.until(lambda: self.link.up, seconds):
            raise BrokerLost(self.trouble or f"no broker answers at {self.address}")

    def reach(self) -> bool:
        """Connect; False, with the reason printed, if no broker answers in time."""
        try:
            self.connect(CONNECT_S)
        except BrokerLost as error:
            cure = "; start this home's with: effectd up" if self._tree.broker.embedded else ""
            typer.echo(f"no broker: {error}{cure}", err=True)
            return False
        return True

    def listen(self, topic: str) -> None:
        """Subscribe to these topics as well; before `connect`."""
        self.link.lightly = (*self.link.lightly, topic)

    def end_with_reader(self, fd: int) -> None:
        """Where `fd` is a pipe, raise BrokenPipeError from the loop as soon as it has no reader any more."""
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            self.loop.add_reader(fd, _reader_gone)  # a pipe that we write to reports only that

    def open(self) -> None:
        """Begin to connect; `link.up` says whether it is done."""
        self.link.open(self.address)

    def messages(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> Iterator[Message]:
        """What arrives within `seconds`, as it arrives; ends earlier when `enough` holds and nothing is left."""
        end = time.monotonic() + seconds
        while self.loop.until(lambda: bool(self._inbox) or enough(), end - time.monotonic()) and self._inbox:
            yield self._inbox.popleft()

    def send(self, effect_id: str, topic: str, payload: bytes) -> Sent:
        """Publish an effect, and again until there is a receipt; `until(lambda: sent.final, ...)` waits for its end."""
        sent = self.sent[effect_id] = Sent(topic, payload)
        self._publish(sent)
        return sent

    def _moved(self, broker: GateView) -> None:
        """The broker program names the home's node: nothing is sent to another one from now on."""
        if broker.line is not None and broker.line.address is not None:
            self.address = self._tree.address_at(broker.line.address)
            if self.link.wanted:
                self.link.open(self.address)

    def _publish(self, sent: Sent) -> None:
        if not sent.receipt:
            with contextlib.suppress(BrokerLost):  # the timer tries again
                self.link.publish(sent.topic, sent.payload, qos=1)
            self.loop.call_later(AGAIN_S, self._publish, sent)

    def _up(self) -> None:
        for sent in self.sent.values():
            if sent.receipt and not sent.final:  # its final receipt may have been sent while we were away: ask for it
                self.link.publish(sent.topic, sent.payload, qos=1)
        self._on_up()

    def _down(self, why: str) -> None:
        if why:  # else we have closed it ourselves
            self._failed(why)
            self._on_down(why)

    def _failed(self, why: str) -> None:
        self._last_failure = why

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        self._inbox.append(Message(topic, payload, retained))
        levels = self._topics.split(topic)
        sent = self.sent.get(levels[1]) if len(levels) == 2 and levels[0] == "receipts" else None
        if sent is not None and not sent.final and (receipt := fields_of(payload)):
            sent.receipt, sent.raw = receipt, payload


def _reader_gone() -> None:
    raise BrokenPipeError
