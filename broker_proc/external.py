"""Watch an external broker: own the gate for it, try out at each connection what it can do, keep two homes apart.

Each connection is a new run of the broker as far as this home is concerned: an outage gives the gate a new generation,
so that all programs subscribe again and none counts as ready by the old connection.
"""

import itertools
import logging

from broker_proc import homes
from broker_proc.probe import Probe
from effectd.base.loop import Loop
from effectd.program.link import Link
from effectd.program.process import Process

HEARD_S = 5.0  # in which our own announcement has to come back

log = logging.getLogger(__name__)


def serve(process: Process) -> None:
    """Run until SIGTERM."""
    loop = Loop()
    watch = External(process, loop)
    process.serve(loop, watch.stop)
    loop.run_forever()


class External:
    """The home's one word about its broker: reachable, able, and not another home's."""

    def __init__(self, process: Process, loop: Loop) -> None:
        self._process, self._gate, self._loop = process, process.gate, loop
        self._address = process.config.broker.address
        self._runs = itertools.count(1)
        self._generation = ""
        self._probe: Probe | None = None
        self._missing = ""
        self._tried = False
        self._others: dict[str, str] = {}  # topic of another home -> why we cannot live beside it
        self._claim = "none"  # our announcement of this connection: none, made, heard
        self._home = homes.topic(process.config)
        claims = process.config.dispatcher  # a home of drivers only announces nothing, and may not need the right to
        self._link = Link(
            loop,
            self._address,
            process.config.client_id("broker"),
            subscriptions=process.config.topics.homes if claims else (),
            on_message=self._heard,
            on_up=self._up,
            on_down=self._down,
            will=(self._home, b"") if claims else None,
        )
        self._gate.say("waiting", f"connecting to {self._address}")
        self._link.on_failure = self._failed
        self._link.open()

    def stop(self) -> None:
        self._gate.say("stopping")
        self._end_probe()
        if self._link.up and self._claim != "none":
            self._link.publish(self._home, b"", qos=1, retain=True)
        self._link.close()
        self._loop.stop()

    def _up(self) -> None:
        self._others.clear()
        self._tried, self._claim = False, "none"
        self._generation = f"{self._gate.line.generation.partition('/')[0]}/{next(self._runs)}"
        self._gate.say("waiting", f"trying out what {self._address} can do", generation=self._generation)
        self._probe = Probe(self._process.config, self._loop, self._probed)

    def _down(self, why: str) -> None:
        self._end_probe()
        self._gate.say("waiting", why)

    def _failed(self, why: str) -> None:
        if not self._link.up:
            self._gate.say("waiting", why)

    def _probed(self, missing: str) -> None:
        """The probe is over; `missing` names what the broker cannot do; "" = nothing."""
        self._end_probe()
        self._tried, self._missing = True, missing
        if missing:
            log.error("%s cannot do what effectd needs: %s", self._address, missing)
            if "QoS 1" not in missing:  # it answers and passes nothing on, as brokers do that were told so
                self._missing = f"{missing}; {self._rights()}"
        self._decide()

    def _decide(self) -> None:
        """Ready, or not beside another home. Of two that come at one moment the broker's order says who was first.

        So a home announces itself before it is ready, and is ready when it has heard that: whoever was announced
        before it has been heard by then.
        """
        if not self._tried:
            return
        if self._others:
            self._withdraw()
            self._gate.say("waiting", next(iter(self._others.values())), generation=self._generation)
            return
        config = self._process.config
        if config.dispatcher and self._claim == "none":
            self._claim = "made"
            self._link.publish(self._home, homes.announcement(config), qos=1, retain=True)
            self._loop.call_later(HEARD_S, self._unheard, self._generation)
        if self._missing:
            self._gate.say("degraded", f"{self._address}: {self._missing}", generation=self._generation)
        elif self._claim == "heard" or not config.dispatcher:
            # a home of drivers only lives under the root of another home, on purpose, and needs no claim
            self._gate.say("ready", generation=self._generation, broker_generation=self._generation)

    def _unheard(self, generation: str) -> None:
        """What we announce does not come back to us, though all else did."""
        if self._claim == "made" and generation == self._generation and self._link.up and not self._missing:
            why = f"{self._address} does not hand on {self._home}; {self._rights()}"
            self._gate.say("degraded", why, generation=self._generation)

    def _rights(self) -> str:
        return f"has this user rights on {self._process.config.topics.everything} (docs/brokers.md)?"

    def _withdraw(self) -> None:
        """Another home was first: withdraw our announcement."""
        if self._claim != "none":
            self._claim = "none"
            self._link.publish(self._home, b"", qos=1, retain=True)

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """A home announced itself on this broker, or withdrew."""
        if topic == self._home:
            if self._claim == "made" and payload and not retained:
                self._claim = "heard"
                self._decide()
            return
        if self._claim == "heard":
            return  # we were here first: the newcomer is the one that waits
        self._others.pop(topic, None)
        if why := homes.clash(self._process.config, payload):
            self._others[topic] = why
        self._decide()

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
