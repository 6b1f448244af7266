"""Stop, hold and release: sends them by MQTT and directly to every gate, and collects the confirmations."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from effectd.base.errors import BrokerLost
from effectd.config import programs
from effectd.config.reader import Config
from effectd.config.schema import Device
from effectd.messages import holds
from effectd.program.link import Link
from effectd.readiness.gate_request import ANSWERED_WITHIN_S, GateRequest

_UNSAID = 500
OFF, UNCONFIRMED = "off", "unconfirmed"
Answer = dict[str, Any]


class Outcome:
    """For each device concerned: off, or why that is not confirmed."""

    def __init__(self) -> None:
        self.devices: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.failed = False

    def of(self, name: str, device: Device, answer: Answer, *, sent: bool) -> None:
        """What its driver has answered; one that is elsewhere has no gate, and says by MQTT what it does."""
        if device.remote and sent:
            self.unconfirmed(name, "sent by MQTT; its driver is elsewhere and cannot confirm", failed=False)
        elif device.remote:
            self.unconfirmed(name, "its driver is elsewhere, and there is no broker to send it")
        elif answer.get("off") is True:
            self.devices[name] = OFF
        else:
            self.unconfirmed(name, answer.get("error") or "it did not say that it is off")

    def unconfirmed(self, device: str, why: str, *, failed: bool = True) -> None:
        self.devices[device], self.reasons[device] = UNCONFIRMED, why
        self.failed = self.failed or failed

    @property
    def code(self) -> int:
        return 504 if self.failed else 200

    @property
    def body(self) -> dict[str, Any]:
        return {"devices": self.devices} | ({"reasons": self.reasons} if self.reasons else {})


class Stops:
    """`stop` and `hold` return as soon as all have answered, and after two seconds in any case."""

    def __init__(self, run: Path, link: Callable[[], Link]) -> None:
        self._run, self._link = run, link
        self._loop = asyncio.get_running_loop()
        self._unsaid: dict[str, bytes] = {}  # holds and releases not published yet: there was no broker

    def connected(self) -> None:
        """Publish the holds and releases from the time without a broker."""
        for topic in [topic for topic, payload in self._unsaid.items() if self._publish(topic, payload, retain=True)]:
            del self._unsaid[topic]

    async def stop(self, tree: Config, device: str | None) -> Outcome:
        """Everything off, or one device."""
        request: dict[str, Any] = {"do": "stop", "all": True} if device is None else {"do": "stop", "device": device}
        chosen = [name for name in tree.devices if device in (None, name)]
        topic = tree.topics.stop_all if device is None else tree.topics.stop(device)
        asked = self._ask_all(tree, request, chosen)
        sent = self._publish(topic, b"stop", retain=False)
        outcome, answers = Outcome(), await asked
        for name in chosen:
            found = tree.devices[name]
            outcome.of(name, found, answers.get(found.bus or name, {}), sent=sent)
        return outcome

    async def hold(self, tree: Config, name: str, request: dict[str, Any], payload: bytes) -> Outcome:
        """Hold or release, as `request` says. `payload`: what is then retained on `holds/<name>`."""
        asked = self._ask_all(tree, request, tree.devices)
        topic = tree.topics.hold(name)
        self._unsaid.pop(topic, None)
        if not (sent := self._publish(topic, payload, retain=True)) and len(self._unsaid) < _UNSAID:
            self._unsaid[topic] = payload
        outcome, answers = Outcome(), await asked
        hold = holds.decode(name, payload, 0)
        for device, found in tree.devices.items():
            answer = answers.get(found.bus or device, {})
            if hold is None or not hold.concerns(device, found.zones):
                if not found.remote and "done" not in answer:  # it may hold, or not have released
                    outcome.unconfirmed(device, answer.get("error") or "it did not answer")
            else:
                outcome.of(device, found, answer, sent=sent)
        return outcome

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        with contextlib.suppress(BrokerLost):
            self._link().publish(topic, payload, qos=1, retain=retain)
            return True
        return False

    def _ask_all(
        self, tree: Config, request: Mapping[str, Any], devices: Iterable[str]
    ) -> "asyncio.Task[dict[str, Answer]]":
        """The dispatcher first, so that what it holds does not follow; all have been asked when this returns.

        Only the drivers are waited for: a dispatcher that hangs must not make a stop slow.
        """
        drivers = {found.bus or name for name in devices if not (found := tree.devices[name]).remote}
        wrong = {error.device for error in tree.errors if error.device}  # it may still run with its old section
        asked = {name: self._ask(name, request) for name in (programs.DISPATCHER, *sorted(drivers | wrong))}
        return self._loop.create_task(self._gather({name: asked[name] for name in drivers}))

    def _ask(self, program: str, request: Mapping[str, Any]) -> "asyncio.Future[Answer]":
        answer: asyncio.Future[Answer] = self._loop.create_future()

        def replied(said: Answer) -> None:
            if not answer.done():
                answer.set_result(said)

        GateRequest(self._loop, self._run / f"{program}.gate", request, replied)
        return answer

    async def _gather(self, asked: "dict[str, asyncio.Future[Answer]]") -> dict[str, Answer]:
        if asked:
            await asyncio.wait(list(asked.values()), timeout=ANSWERED_WITHIN_S + 0.1)
        return {name: answer.result() if answer.done() else {} for name, answer in asked.items()}
