"""`effectd doctor --broker HOST:PORT`: tests what effectd needs of a broker, and optional features.

The essential tests are those of the broker program at each connection (broker_proc/probe.py), and some more that take
too long for that. `wrong` is missing and needed, `note` is missing but not essential.
"""

import logging
import os
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from broker_proc.probe import WILDCARD, Probe
from effectd.base.errors import BrokerLost
from effectd.base.loop import Loop
from effectd.cli import finding, style
from effectd.cli.finding import NOTE, OK, WRONG, Line
from effectd.cli.mqtt5 import Mqtt5
from effectd.config import reader
from effectd.config.address import Address, Tls
from effectd.config.reader import Config
from effectd.program.link import Link

EFFECT_BYTES, TIMELINE_BYTES = 64 << 10, 4 << 20  # section 1 of the contract
ROUND_TRIPS, SLOW_MS = 20, 20.0  # Nagle's algorithm and a delayed ACK cost 40 ms
WAIT_S, LARGE_S = 10.0, 20.0

# the exit message reports the link's failed attempts
logging.getLogger("effectd").addHandler(logging.NullHandler())


def address(tree: Config, where: str, username: str | None, password_env: str | None, cafile: str | None) -> Address:
    """HOST:PORT with a login; that of config.yaml where it is one of its broker's nodes and none is given."""
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise typer.BadParameter("HOST:PORT, such as 192.0.2.7:1883", param_hint="--broker")
    if password_env and username is None:
        raise typer.BadParameter("needs --username", param_hint="--password-env")
    if password_env and password_env not in os.environ:
        raise typer.BadParameter(f"the environment has no {password_env}", param_hint="--password-env")
    known = [node for node in tree.broker.nodes if str(node) == where] if not tree.broker.embedded else []
    if known and not (username or cafile):
        return known[0]
    # no file means those of this machine
    tls = None if cafile is None else Tls(cafile=cafile if cafile != "system" else None)
    return Address(host.strip("[]"), int(port), username, password_env, tls)


def run(
    home: Path, where: str, username: str | None = None, password_env: str | None = None, cafile: str | None = None
) -> int:
    """0 the broker has all that a home needs, 1 something is missing, 69 it does not answer."""
    tree = reader.load(home, reach=False)
    report = Report(tree.at_node(address(tree, where, username, password_env, cafile)))
    lines = report.lines()
    if report.trouble:
        typer.echo(report.trouble, err=True)
        return os.EX_UNAVAILABLE
    for line in lines:
        typer.echo(f"{style.paint(line.word, width=6)} {line.about}{line.text and f'  {line.text}'}")
    return finding.code(lines)


class Report:
    """`lines` runs all tests; `trouble`: why none could be run, "" = they could."""

    def __init__(self, config: Config) -> None:
        self._config, self._loop = config, Loop()
        self._client_id = f"effectd-doctor-{secrets.token_hex(4)}"  # a home's own ids are allowed only by its socket
        self._heard: dict[str, list[tuple[bytes, bool]]] = {}
        self.trouble = ""

    def lines(self) -> list[Line]:
        lines = list(self._needed())
        if self.trouble:
            return []
        link = self._connect("#")
        try:
            tries: tuple[Callable[[Link], Line], ...] = (self._retain_flag, self._cleared, self._words, self._size)
            for each in (*tries, self._round_trip):
                if not self._loop.until(lambda: link.up, WAIT_S):
                    lines.append(Line(WRONG, "connection", "it is lost and does not come back"))
                    break
                lines.append(each(link))
        finally:
            link.close()
        return [*lines, *self._further()]

    def _needed(self) -> Iterator[Line]:
        """The tests that the broker program runs as well."""
        said: list[str] = []
        probe = Probe(self._config, self._loop, said.append, client_id=self._client_id, patient=True)
        while not said:
            self._loop.turn()
        self.trouble = probe.trouble
        probe.close()
        self._loop.until(lambda: False, 0.2)  # until what was retained is cleared
        yield from (Line(WRONG if missing else OK, what) for what, missing in probe.missing.items())
        problem = "" if probe.by_wildcard else "a program that comes later does not hear which holds stand"
        yield Line(OK if probe.by_wildcard else NOTE, WILDCARD, problem)

    def _topic(self, word: str) -> str:
        return self._config.topics.probe(self._client_id, word)

    def _connect(self, word: str) -> Link:
        def hear(topic: str, payload: bytes, retained: bool) -> None:
            self._heard.setdefault(topic, []).append((payload, retained))

        where, topics = self._config.broker.address, (self._topic(word),)
        link = Link(
            self._loop,
            where,
            self._client_id,
            subscriptions=topics,
            on_message=hear,
            on_up=lambda: None,
            on_down=lambda _why: None,
        )
        link.open()
        return link

    def _there_and_back(
        self, link: Link, word: str, payload: bytes, *, retain: bool = False, limit: float = WAIT_S
    ) -> tuple[bytes, bool] | None:
        """The message as received, and whether it was marked as retained; None: nothing in time."""
        topic = self._topic(word)
        self._heard.pop(topic, None)
        try:
            link.publish(topic, payload, qos=1, retain=retain)
        except BrokerLost:
            return None
        self._loop.until(lambda: topic in self._heard or not link.up, limit)
        return self._heard.get(topic, [None])[0]

    def _retain_flag(self, link: Link) -> Line:
        what = "the retain flag says what was stored"
        heard = self._there_and_back(link, "flag", b"now", retain=True)
        if heard is None or not heard[1]:
            return Line(WRONG if heard is None else OK, what)
        return Line(WRONG, what, "it stays on what is live: a stop published with it would be taken for an old one")

    def _cleared(self, link: Link) -> Line:
        """Whether it is cleared: a later subscriber gets nothing."""
        what = "an empty message clears a retained one"
        self._there_and_back(link, "flag", b"", retain=True)
        link.close()
        self._heard.clear()
        link.open()
        self._loop.until(lambda: link.up, WAIT_S)
        self._there_and_back(link, "last", b"of all")  # what is retained comes before it
        return Line(WRONG if self._heard.get(self._topic("flag")) else OK, what)

    def _words(self, link: Link) -> Line:
        """Ids of effects and timelines have these characters, names of holds any."""
        what = "topics with . and :"
        heard = self._there_and_back(link, "film.1a.0:b", b"here")
        problem = "" if heard else "no receipt comes of an effect with such an id, as timelines have"
        return Line(OK if heard else WRONG, what, problem)

    def _size(self, link: Link) -> Line:
        what, largest = "packets", 0
        for size in (EFFECT_BYTES, 256 << 10, (1 << 20) - 512, TIMELINE_BYTES):
            heard = self._there_and_back(link, "size", b"x" * size, limit=LARGE_S)
            if heard is None or len(heard[0]) != size:
                break
            largest = size
        kib = f"of {-(-largest >> 10)} KiB and more pass" if largest < TIMELINE_BYTES else "of 4 MiB pass"
        if largest < EFFECT_BYTES:
            return Line(WRONG, what, f"{kib}; an effect may have 64 KiB")
        if largest < TIMELINE_BYTES:
            return Line(NOTE, what, f"{kib}, of 4 MiB do not: longer timelines come as files")
        return Line(OK, what, kib)

    def _round_trip(self, link: Link) -> Line:
        took = list[float]()
        for number in range(ROUND_TRIPS):
            began = time.perf_counter()
            if self._there_and_back(link, "trip", b"%d" % number) is None:
                return Line(WRONG, "round trip", "a message was lost")
            took.append(1000 * (time.perf_counter() - began))
        median = statistics.median(took)
        slow = " (Nagle's algorithm? mosquitto: set_tcp_nodelay true)" if median > SLOW_MS else ""
        return Line(NOTE if slow else OK, "round trip", f"{median:.1f} ms, at most {max(took):.1f} ms{slow}")

    def _further(self) -> Iterator[Line]:
        """Features that effectd does not need, but others may want."""
        trial = Mqtt5(self._config.broker.address, self._client_id, self._topic("five"))
        trial.run()
        yield Line(OK if trial.works else NOTE, "MQTT 5", trial.said)
        share = "" if trial.share else "not served"
        yield Line(OK if trial.share else NOTE, "$share", share)
        yield Line(OK if trial.qos2 else NOTE, "QoS 2", "" if trial.qos2 else "not served, or not to this user")
