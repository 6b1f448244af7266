"""`effectd demo`: plays a storm on four devices, then kills a driver and shows that it comes back."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from effectd.base.errors import BrokerLost
from effectd.cli import down as down_command
from effectd.cli import page_url, style, up
from effectd.cli.client import CONNECT_S, Client, Message
from effectd.config import programs, reader
from effectd.config.reader import Config
from effectd.messages import answers, effect
from effectd.messages.effect import Effect
from effectd.messages.payload import value_of
from effectd.readiness.gate_watcher import GateWatcher
from effectd.readiness.line import Line
from effectd.supervision import health
from effectd.supervision.health import Health

NAME = "demo"  # of the timeline
_STORM = Path(__file__).with_name("storm.json")
_STORM_S = 6.0  # then the driver is killed; the storm's sun shines on
_AFTERWARDS = {"intensity": 80, "duration": 500}  # wind: the first effect of the driver that was killed
_AFTERWARDS_S = 0.6  # until that has ended by itself
_READY_S = 30.0
_RECEIPT_S = 10.0  # ttl, max_apply and some slack
_BACK_S = 15.0
_BAR = 20  # characters of 100 %
_COLOURS = {"wind": "cyan", "vibration": "magenta", "scent": "green"}  # a light has its own


def run(home: Path, *, down: bool) -> int:
    """0: every effect was done and the killed driver came back; 3: the same, but another program has the port."""
    code = up.run(home, _READY_S)
    if code and not _ready(home):
        return code
    tree = reader.load(home)
    try:
        with Client(tree, "demo", (tree.topics.everything,)) as client:
            client.connect(CONNECT_S)
            failures = Demo(tree, client).play()
    except BrokerLost as error:
        failures = [str(error)]
    with Health(home) as look:
        typer.echo("\n" + style.health(health.table(look.look(), look.restarts())))
    for failure in failures:
        typer.echo(f"not as it should be: {failure}", err=True)
    if down:
        typer.echo()
        return down_command.run(home) or (1 if failures else code)
    _what_next(tree)
    return 1 if failures else code


def _ready(home: Path) -> bool:
    with Health(home) as look:
        return health.all_ready(look.look())


class Demo:
    """One performance. `play` returns what went wrong, [] if nothing did."""

    def __init__(self, tree: Config, client: Client) -> None:
        self._tree, self._client = tree, client
        self._console = Console(highlight=False, soft_wrap=True)
        self._failures: list[str] = []
        self._began = time.monotonic()
        self._storm = _STORM.read_bytes()
        self._effects: list[dict[str, Any]] = json.loads(self._storm)["effects"]
        self._timeline: dict[str, Any] = {}  # its state, since it was loaded here
        self._refused = ""
        self._live = ""  # the id of the live effect
        self._ends: dict[str, dict[str, Any]] = {}  # by effect id, its final receipt
        self._states: dict[str, dict[str, Any]] = {}  # by device, as last published
        self._receipts: set[tuple[str, str]] = set()  # id and status, each shown once

    def play(self) -> list[str]:
        types = dict.fromkeys(each["effect_type"] for each in self._effects)
        missing = [kind for kind in types if not self._device(kind)]
        if missing:
            return [f"the storm needs a device on this machine for each of {', '.join(missing)} (config.yaml)"]
        for _ in self._client.messages(0.05):
            pass  # the retained ones
        rest = ", played as a timeline by MQTT. Each line: a device's state topic, or a receipt and its latency."
        self._say("A storm", rest)
        self._began = time.monotonic()
        self._order("load", self._storm)
        self._order("play", b"")
        self._listen(_RECEIPT_S, lambda: self._timeline.get("status") == "playing" or bool(self._refused))
        if self._timeline.get("status") != "playing":
            return [f"the storm was not played: {self._refused or 'no answer'}"]
        self._listen(_STORM_S)
        self._listen(_RECEIPT_S, lambda: self._number_of_ends() == len(self._effects))
        self._kill_wind(self._device("wind"), light := self._device("light"))
        self._order("stop", b"")
        self._listen(_RECEIPT_S, lambda: not self._states.get(light, {}).get("on"))
        self._listen(0.05)
        self._failures += [f"effect {self._effects[n]['effect_type']}: no receipt" for n in self._without_an_end()]
        for effect_id, receipt in self._ends.items():
            if receipt["status"] != "done":
                shown = style.receipt(receipt)
                self._failures.append(f"effect {effect_id} ({receipt.get('effect_type')}): {shown}")
        return self._failures

    def _device(self, effect_type: str) -> str:
        """A device for the effect type whose driver runs here; "" if there is none."""
        devices = self._tree.devices.items()
        return next((n for n, d in devices if effect_type in d.effects and d.kind != "remote"), "")

    # --- effects -------------------------------------------------------------------------------------------------

    def _order(self, word: str, payload: bytes) -> None:
        self._client.link.publish(self._tree.topics.timeline(NAME, word), payload, qos=1)

    def _number(self, effect_id: str) -> int | None:
        """When an effect of the storm was due; None: it is another effect."""
        name, _, rest = effect_id.partition(".")
        number = rest.partition(".")[2].partition("-")[0]
        return int(number) if name == NAME and number.isdigit() else None

    def _without_an_end(self) -> list[int]:
        ended = {self._number(effect_id) for effect_id in self._ends}
        return [n for n in range(len(self._effects)) if n not in ended]

    def _number_of_ends(self) -> int:
        return len(self._effects) - len(self._without_an_end())

    def _send_live(self) -> None:
        """A wind, and its end."""
        self._live = effect.new_id()
        payload = json.dumps({"id": self._live} | _AFTERWARDS).encode()
        sent = self._client.send(self._live, self._tree.topics.effect("wind"), payload)
        self._listen(_RECEIPT_S, lambda: sent.final)
        if not sent.final:
            self._failures.append(f"effect {self._live} (wind): no receipt")

    def _listen(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        for message in self._client.messages(seconds, enough):
            self._show(message)

    # --- the kill ------------------------------------------------------------------------------------------------

    def _kill_wind(self, wind: str, light: str) -> None:
        """SIGKILL to the wind driver. Its gate shows when it is gone and when it is back; the light must not notice."""
        heard: list[tuple[float, Line | None]] = []
        watcher = GateWatcher(self._client.loop, self._tree.home / "run")
        try:
            broker, lamp = (watcher.watch(name, lambda _: None) for name in (programs.BROKER, light))
            fan = watcher.watch(wind, lambda watch: heard.append((time.monotonic(), watch.line)))
            watches = (broker, lamp, fan)
            if not self._client.loop.until(lambda: all(watch.ready for watch in watches), 2.0):
                self._failures.append(
                    "before the kill: " + "; ".join(watch.blocker for watch in watches if watch.blocker)
                )
                return
            assert fan.line, "ready"
            assert lamp.line, "ready"
            pid, shining, lamp_pid = fan.line.pid, self._states.get(light), lamp.line.pid
            if pid <= 1:
                self._failures.append(f"the gate of {wind} says pid {pid}: nothing is killed")
                return
            self._say(f"Now kill -9 {pid}", f", the {wind} driver. The light has to go on undisturbed.")
            heard.clear()
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)

            def back() -> bool:
                run = broker.line.generation if broker.line else ""
                line = heard[-1][1] if heard else None
                return bool(line and line.pid != pid and line.state == "ready" and line.broker_generation == run)

            self._listen(_BACK_S, lambda: bool(heard))
            if heard:
                self._line(wind, Text(f"gate gone, {(heard[0][0] - killed) * 1000:.1f} ms after the kill", "red"))
            self._listen(_BACK_S, back)
            if not back():
                self._failures.append(f"{wind} did not come back within {_BACK_S:g} s: {fan.blocker}")
                return
            after_ms = (heard[-1][0] - killed) * 1000
            self._line(wind, Text(f"ready again: back in {after_ms:.0f} ms (pid {fan.line.pid})", "bold green"))
            self._send_live()
            self._listen(_AFTERWARDS_S)
            if shining and shining.get("on") and self._states.get(light) == shining and lamp.line.pid == lamp_pid:
                ago = time.time() - shining["since"] / 1000
                text = f"undisturbed: the same effect for {ago:.1f} s, the same process (pid {lamp_pid})"
                self._line(light, Text(text, "bold green"))
            else:
                self._failures.append(f"{light} was disturbed: it showed {shining}, then {self._states.get(light)}")
        finally:
            watcher.close()

    # --- what the viewer sees ------------------------------------------------------------------------------------

    def _show(self, message: Message) -> None:
        levels = self._tree.topics.split(message.topic)
        said = value_of(message.payload.decode(errors="replace"))
        match levels:
            case ["devices", device, "state"] if isinstance(said, dict):
                self._states[device] = said
                number = self._number(str(said.get("effect_id")))
                place = self._effects[number].get("location") if number is not None else None
                at = f"  at {place}" if place else ""
                self._line(device, self._bar(said) + Text.from_ansi(style.doing(said) + at))
            case ["devices", device, "availability"] if not message.retained:
                self._line(device, Text.from_ansi(f"{style.paint(style.clean(str(said)))} (availability)"))
            case ["receipts", effect_id] if isinstance(said, dict):
                if effect_id == self._live or effect_id.startswith(f"{NAME}."):
                    self._receipt(effect_id, said)
            case ["timelines", name, "state"] if name == NAME and isinstance(said, dict):
                self._timeline = said
            case ["dead-letters", "refused"] if isinstance(said, dict):
                if str(said.get("topic")).startswith(self._tree.topics.timeline(NAME, "")):
                    self._refused = style.clean(str(said.get("detail")), 400)

    def _receipt(self, effect_id: str, receipt: dict[str, Any]) -> None:
        status = str(receipt.get("status"))
        if status in answers.FINAL:
            self._ends[effect_id] = receipt
        if (effect_id, status) not in self._receipts:  # a receipt may be repeated
            self._receipts.add((effect_id, status))
            self._line("receipt", Text.from_ansi(style.receipt(receipt)))

    def _bar(self, state: dict[str, Any]) -> Text:
        """On a terminal the intensity as a bar, a light's in its own colour."""
        intensity = state.get("intensity") if state.get("on") else 0
        if not self._console.is_terminal or not isinstance(intensity, int | float):
            return Text()
        colour = _COLOURS.get(str(state.get("effect_type")))
        if colour is None:
            shown = Effect(id="-", effect_type="-", parameters=state.get("parameters") or {})
            colour = "#{:02x}{:02x}{:02x}".format(*shown.rgb())
        full = round(intensity * _BAR / 100)
        return Text.assemble(("█" * full, colour), ("░" * (_BAR - full), "bright_black"), "  ")

    def _line(self, who: str, text: Text) -> None:
        self._console.print(Text.assemble((f"{time.monotonic() - self._began:7.2f} s  ", "dim"), f"{who:<11}", text))

    def _say(self, title: str, rest: str) -> None:
        self._console.print(Text.assemble("\n", (title, "bold"), rest, "\n"))


def _what_next(tree: Config) -> None:
    address, home = tree.broker.address, tree.home
    ctl, own = style.tool("supervisorctl", home), style.tool("effectd", home)
    wind = next(name for name, device in tree.devices.items() if "wind" in device.effects)
    typer.echo(f"""
It goes on running; {own} down ends it. What to try next:

{f"  {url}{chr(10)}      the room in a browser: look, and try it" if (url := page_url.of(tree)) else ""}
  {own} watch
      in another terminal: everything that happens here
  {own} play {NAME}
      the storm again; space pauses it, q ends it
  mosquitto_pub -h {address.host} -p {address.port} -t {tree.topics.effect("wind")} -m 60
      any MQTT client will do; this one comes with: sudo apt install mosquitto-clients
  {ctl} restart {wind}
      one driver anew; the others do not notice
  {ctl} tail -f {wind}
      what that driver does, line by line (Ctrl-C ends it)""")
