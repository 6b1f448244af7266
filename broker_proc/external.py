"""Watch an external broker: own the gate for it, try out what it can do and lets us do, keep two homes apart.

Each connection is a new run of the broker as far as this home is concerned: an outage gives the gate a new generation,
so that all programs subscribe again and none counts as ready by the old connection. Where the broker has several nodes
this program alone chooses: its gate says which one, and all others connect there (docs/decisions/0026-which-broker.md).
"""

import itertools
import logging

from broker_proc import homes
from broker_proc.probe import WILDCARD, Probe
from effectd.access import needs
from effectd.base.loop import Loop, Timer
from effectd.config.reader import Config
from effectd.program.link import Link
from effectd.program.process import Process

HEARD_S = 5.0  # in which our own announcement, and what tries our rights, has to come back
# of a broker with several nodes: one that stands still is left for the next one, long before the keepalive has its say
BEAT_S, SILENT_S = 1.0, 3.0
AGAIN_S = 10.0  # what is missing is looked for again
PAGE = "docs/brokers.md"

log = logging.getLogger(__name__)


def serve(process: Process) -> None:
    """Run until SIGTERM."""
    loop = Loop()
    watch = External(process, loop)
    process.serve(loop, watch.stop)
    loop.run_forever()


class External:
    """The home's one word about its broker: where it is, able, and not another home's."""

    def __init__(self, process: Process, loop: Loop) -> None:
        self._process, self._gate, self._loop = process, process.gate, loop
        self._runs = itertools.count(1)
        self._generation = ""
        self._probe: Probe | None = None
        self._retry: Timer | None = None
        self._missing, self._wildcard = "", True
        self._probed_it = False
        self._others: dict[str, str] = {}  # topic of another home -> why we cannot live beside it
        self._claim = "none"  # our announcement of this connection: none, made, heard
        self._home = homes.topic(process.config)
        topics, claims = process.config.topics, process.config.dispatcher
        # a home of drivers only announces nothing, and may not need the right to more than its own devices' topics
        self._rights = needs.tried(topics) if claims else {}
        self._unheard = set[str]()  # of them: what has not come back on this connection
        self._judged = False  # it has had its time
        nodes = process.config.broker.nodes
        self._link = Link(
            loop,
            nodes[0],
            process.config.client_id("broker"),
            subscriptions=topics.homes if claims else (),
            on_message=self._heard,
            on_up=self._up,
            on_down=self._down,
            will=(self._home, b"") if claims else None,
        )
        self._link.lightly = (*needs.listened(topics), topics.stop_all) if claims else ()
        # no going back by itself: after this program's own death it begins where its predecessor was
        self._link.nodes.any_of(nodes, first=self._gate.former_address)
        self._gate.say("waiting", f"connecting to {self._link.address}")
        self._link.on_failure = self._failed
        self._link.open()

    def stop(self) -> None:
        self._gate.say("stopping")
        self._end_probe()
        if self._link.up and self._claim != "none":
            self._link.publish(self._home, b"", qos=1, retain=True)
        self._link.close()
        self._loop.stop()

    @property
    def _here(self) -> Config:
        """The configuration as if this node were the only one."""
        return self._process.config.at_node(self._link.address)

    def _up(self) -> None:
        self._others.clear()
        self._probed_it, self._claim = False, "none"
        self._unheard = set(self._rights)
        self._generation = f"{self._gate.line.generation.partition('/')[0]}/{next(self._runs)}"
        self._say("waiting", f"trying out what {self._link.address} can do")
        self._retry = None
        self._try(self._generation)
        if len(self._process.config.broker.nodes) > 1:
            self._beat(self._generation)

    def _try(self, generation: str) -> None:
        """What it can do, and what we may; again, while something is missing: a right may be given, a cluster heal."""
        if generation != self._generation:
            return
        self._retry = None
        if not self._link.up:
            return
        self._end_probe()
        self._probed_it = self._judged = False
        self._probe = Probe(self._here, self._loop, self._probed)
        for topic in self._unheard:
            self._link.publish(topic, b"", qos=1)
        self._loop.call_later(HEARD_S, self._late, generation)

    def _down(self, why: str) -> None:
        self._end_probe()
        self._gate.say("waiting", why)

    def _failed(self, why: str) -> None:
        if not self._link.up:
            self._gate.say("waiting", why)

    def _say(self, state: str, reason: str = "", *, broker_generation: str | None = None) -> None:
        self._gate.say(
            state,
            reason,
            generation=self._generation,
            broker_generation=broker_generation,
            address=str(self._link.address),
        )

    def _beat(self, generation: str) -> None:
        if not self._link.up or generation != self._generation:
            return
        here = self._link.address
        silent = self._loop.call_later(SILENT_S, self._silent, generation, f"{here} says nothing for {SILENT_S:g} s")

        def answered() -> None:
            silent.cancel()
            self._loop.call_later(BEAT_S, self._beat, generation)

        topic = self._process.config.topics.probe(self._process.config.client_id("broker"), "beat")
        self._link.publish(topic, b"", qos=1, acked=answered)

    def _silent(self, generation: str, why: str) -> None:
        if self._link.up and generation == self._generation:
            self._link.give_up(why)

    def _probed(self, missing: str) -> None:
        """The probe is over; `missing` names what the broker cannot do; "" = nothing."""
        self._wildcard = getattr(self._probe, "by_wildcard", True)
        self._end_probe()
        self._probed_it, self._missing = True, missing
        if missing:
            log.error("%s cannot do what effectd needs: %s", self._link.address, missing)
        self._decide()

    def _late(self, generation: str) -> None:
        """What has not come back by now does not come."""
        if generation == self._generation and self._link.up and self._unheard and not self._judged:
            self._judged = True
            log.error("%s hands on nothing on %s", self._link.address, ", ".join(sorted(self._unheard)))
            self._decide()

    def _decide(self) -> None:
        """Ready, or not beside another home. Of two that come at one moment the broker's order says who was first.

        So a home announces itself before it is ready, and is ready when it has received its own announcement: every
        earlier one has arrived by then.
        """
        if not self._probed_it or (self._unheard and not self._judged):
            return
        if self._others:
            self._withdraw()
            self._say("waiting", next(iter(self._others.values())))
            return
        config = self._process.config
        if config.dispatcher and self._claim == "none":
            self._claim = "made"
            self._link.publish(self._home, homes.announcement(config), qos=1, retain=True)
            self._loop.call_later(HEARD_S, self._unclaimed, self._generation)
        wrong, remark = self._wrong()
        if (wrong or self._unheard) and self._retry is None:
            self._retry = self._loop.call_later(AGAIN_S, self._try, self._generation)
        if wrong:
            self._say("degraded", f"{self._link.address}: {wrong}")
        elif self._claim == "heard" or not config.dispatcher:
            # a home of drivers only lives under the root of another home, on purpose, and needs no claim
            self._say("ready", remark, broker_generation=self._generation)

    def _unclaimed(self, generation: str) -> None:
        """What we announce does not come back to us, though all else did."""
        if self._claim == "made" and generation == self._generation and self._link.up and not self._wrong()[0]:
            self._say("degraded", f"{self._link.address} does not hand on {self._home}: {self._cure()}")

    def _wrong(self) -> tuple[str, str]:
        """Why no effect could come through, "" = it can; and any further remarks."""
        topics = self._process.config.topics
        denied, added = needs.missing(topics, self._unheard)
        passes_on_nothing = bool(self._missing) and "QoS 1" not in self._missing  # as some brokers are configured to
        if denied or (passes_on_nothing and added):
            denied += [*added, *([topics.probe("#", "").removesuffix("/")] if passes_on_nothing else [])]
            return f"nothing comes back on {', '.join(denied)}: {self._cure()}", ""
        if self._missing:
            also = f"; if it can: {self._cure()}" if passes_on_nothing else ""
            return f"{self._missing}{also}", ""
        remarks = [f"nothing comes back on {', '.join(added)}: {self._cure()}"] if added else []
        if not self._wildcard:
            remarks.append(f"no {WILDCARD}: {PAGE} says what that means")
        return "", "; ".join(remarks)

    def _cure(self) -> str:
        return f"has this user rights on it ({PAGE})?"

    def _withdraw(self) -> None:
        """Another home was first: withdraw our announcement."""
        if self._claim != "none":
            self._claim = "none"
            self._link.publish(self._home, b"", qos=1, retain=True)

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """What tries our rights; or a home announced itself on this broker, or withdrew."""
        if topic == self._home:
            if self._claim == "made" and payload and not retained:
                self._claim = "heard"
                self._decide()
        elif topic in self._unheard:
            self._unheard.discard(topic)
            self._decide()
        elif "/homes/" in topic and self._claim != "heard":  # else we were here first, and the newcomer waits
            self._others.pop(topic, None)
            if why := homes.clash(self._here, payload):
                self._others[topic] = why
            self._decide()

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
