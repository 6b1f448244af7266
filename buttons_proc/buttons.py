"""What a press does: places a hold in this home's file, at every gate and by MQTT, each independent of the others."""

import logging
from collections.abc import Mapping

from buttons_proc.pins import Pin
from effectd.base.errors import BrokerLost
from effectd.base.loop import AnyLoop
from effectd.config import programs
from effectd.config.schema import Button
from effectd.messages import holds
from effectd.program.broker_session import BrokerSession
from effectd.program.holds import FILE, Holds
from effectd.program.process import Process
from effectd.readiness.gate_request import GateRequest

LOOK_EVERY_S = 0.2  # polled besides the pins' events: a press while a pin is being opened must not be missed
REOPEN_S = 5.0

log = logging.getLogger(__name__)


class Buttons:
    """`stop` ends the program. A hold outlives it: a button that is no longer watched releases nothing."""

    def __init__(self, process: Process, loop: AnyLoop) -> None:
        self._process, self._loop, self._topics = process, loop, process.config.topics
        self._wanted: dict[str, Button] = process.config.buttons
        self._pins: dict[str, Pin] = {}
        self._was: dict[str, bool] = {}  # was it pressed at the last look?
        self._broken: dict[str, str] = {}
        self._watcher = process.watcher(loop)
        self._holds = Holds(process.run, process.name, loop)
        self._broker = BrokerSession(process, loop, self._watcher)
        self._link = self._broker.connect(
            process.name, subscriptions=(self._topics.any_hold,), on_message=self._heard, on_up=self._connected
        )
        self._holds.watch(lambda: None, lambda trouble: self._broker.journal_trouble(trouble, FILE))
        self._open()
        self._broker.start()
        self._again()

    def stop(self) -> None:
        self._loop.stop()

    def close(self) -> None:
        for pin in self._pins.values():
            pin.close()
        self._holds.close()
        self._broker.close()
        self._watcher.close()

    def _open(self) -> None:
        for name in self._wanted.keys() - self._pins.keys():
            try:
                changed = lambda: self._loop.call_soon_threadsafe(self._look)  # noqa: E731
                self._pins[name] = Pin(self._wanted[name], changed)
                self._broken.pop(name, None)
            except Exception as error:  # noqa: BLE001 - whatever the pin library raises, the other buttons work
                self._broken[name] = f"{name}: {type(error).__name__}: {error}"
        self._broker.trouble("; ".join(self._broken.values()))
        if self._broken:
            log.error("%s", "; ".join(self._broken.values()))
            self._loop.call_later(REOPEN_S, self._open)

    def _again(self) -> None:
        self._loop.call_later(LOOK_EVERY_S, self._again)
        self._look()

    def _look(self) -> None:
        for name, pin in self._pins.items():
            pressed, before = pin.pressed, self._was.get(name)
            self._was[name] = pressed
            if pressed == before:
                continue
            button = self._wanted[name]
            if pressed:
                self._pressed(name, button)
            elif button.contact:  # also at the start: it may have been let go while this program was dead
                self._send(name, {"do": "release", "name": name}, b"")

    def _pressed(self, name: str, button: Button) -> None:
        log.warning("%s: pressed", name)
        if button.hold or button.contact:
            request = {"do": "hold", "name": name, "reason": button.reason, "target": button.target or None}
            self._send(name, request, holds.encode(button.reason, button.target))
        else:
            self._ask({"do": "stop"})
            self._publish(self._topics.stop_all, name.encode(), retain=False)

    def _send(self, name: str, request: Mapping[str, object], payload: bytes) -> None:
        self._ask(request)
        self._holds.hear(name, payload)
        self._publish(self._topics.hold(name), payload, retain=True)

    def _ask(self, request: Mapping[str, object]) -> None:
        """Send it straight to the drivers and the dispatcher: every live program gets it, broker or not."""
        tree = self._process.config
        for program in tree.programs:
            if programs.is_device(program) or program == programs.DISPATCHER:
                GateRequest(self._loop, self._process.run / f"{program}.gate", request)

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        try:
            self._link.publish(topic, payload, qos=1, retain=retain)
        except BrokerLost:
            pass  # the gates have it, and `_connected` publishes what is active

    def _heard(self, topic: str, payload: bytes, _retained: bool) -> None:
        self._holds.hear(self._topics.split(topic)[1], payload)

    def _connected(self) -> None:
        """The broker may have lost what it retained, or still retain a hold that was released without it."""
        for name, button in self._wanted.items():
            hold = self._holds.standing.get(name)
            if hold is not None:
                self._publish(self._topics.hold(name), holds.encode(hold.reason, hold.target), retain=True)
            elif button.contact:
                self._publish(self._topics.hold(name), b"", retain=True)
