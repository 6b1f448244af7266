"""An actuator over many lives: effects, stops, holds, kills and reboots, on the room's own clock."""

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from drivers import envelope as envelope_module
from drivers.actuator import Actuator
from drivers.envelope import Envelope
from drivers.fence import Fence
from drivers.flash import Flash, Zone
from drivers.reporter import Reporter
from drivers.rises import Rises
from effectd.config.schema import Budget, Device, Limits
from effectd.messages.effect import Effect
from effectd.messages.topics import Topics
from effectd.testing import FakeLink, FakeLoop, MemoryJournal


class Life:
    """`driven`: seconds since the start, and the level. A device that is on when its driver dies stays on."""

    def __init__(self, **limits: Any) -> None:
        self.device = Device(
            "virtual", ("light",), limits=Limits(**({"max_flash_hz": 0, "max_rate_hz": 1000} | limits))
        )
        self.journal, self.link = MemoryJournal(), FakeLink()
        self.boots = itertools.count()
        self.boot = "boot"
        self.lost = False  # the next run finds its notes damaged
        self.seconds = 0.0
        self.driven: list[tuple[float, float]] = []
        self.dead: list[tuple[float, float]] = []  # when no driver was there
        self.names = itertools.count()
        self._patch = mock.patch.object(envelope_module, "boot_id", side_effect=lambda: self.boot)

    def __enter__(self) -> "Life":
        self._patch.start()
        self._folder = tempfile.TemporaryDirectory()
        self._rises: Rises | None = None
        self.loop = FakeLoop()
        self._born()
        self.driven.clear()
        return self

    def __exit__(self, *_: Any) -> None:
        self._patch.stop()
        self._forget()
        self._folder.cleanup()

    def _forget(self) -> None:
        if self._rises is not None:
            self._rises.close()

    def _born(self) -> None:
        self.offset = self.seconds - self.loop.now
        reporter = Reporter(self.loop, Topics(), "lamp", self.device, self.journal)
        reporter.link = self.link
        self.fence = Fence(self.journal, reporter.fence)
        flash = None
        if hz := self.device.flash_hz:
            self._rises = Rises(Path(self._folder.name, "stage.flashes"), self.boot, known=False)
            flash = Flash([Zone(self._rises, crowded=False)], hz, self.loop.time)
        envelope = Envelope(self.loop, self.device, self.journal, flash)
        self.actuator = Actuator(self.loop, self.device, reporter, self.fence, envelope, self._bring_out)
        self._bring_out()

    def _bring_out(self) -> None:
        while (change := self.actuator.next()) is not None:
            level = float(change.level.intensity) if change.level is not None else 0.0
            self.driven.append((self.loop.now + self.offset, level))
            self.actuator.moved()

    def take(self, intensity: float, **fields: Any) -> str:
        self.fence.resume(self.fence._token)
        name = f"e{next(self.names)}"
        seq = next(self.names) + 1
        self.actuator.take(Effect(id=name, effect_type="light", intensity=intensity, seq=seq, **fields))
        return name

    def do(self, what: str, *details: Any) -> None:
        match what, details:
            case "take", [intensity, duration, fade]:
                self.take(intensity, duration=duration, fade=min(fade, duration) if intensity and duration else fade)
            case "wait", [seconds]:
                self.loop.advance(seconds)
                self.seconds = self.loop.now + self.offset
            case "hold", [why]:
                self.actuator.hold(why)
            case "stop", []:
                self.actuator.stop()
            case "kill", [seconds]:
                self._die(seconds)
                self.loop.now += seconds
                self._born()
            case "reboot", [seconds, monotonic]:
                self.driven.append((self.seconds, 0.0))  # without current nothing is on
                self._die(seconds)
                self.boot = f"boot {next(self.boots)}"
                self.loop.now = monotonic
                self._born()

    def _die(self, seconds: float) -> None:
        self.loop.clear()
        self._forget()
        self.dead.append((self.seconds, self.seconds + seconds))
        self.seconds += seconds
        self.journal = self.journal.reborn()
        self.journal.lost, self.lost = self.lost, False

    # --- what was seen ------------------------------------------------------------------------------------------------

    def said(self, word: str) -> list[Any]:
        return [json.loads(payload) for topic, payload, _, _ in self.link.published if topic == f"devices/lamp/{word}"]

    def ack(self, name: str) -> tuple[str, str]:
        return next(((ack["status"], ack["reason"]) for ack in self.said("ack") if ack["id"] == name), ("", ""))

    @property
    def states(self) -> list[Any]:
        self.loop.advance(0.06)  # one that waits for its turn
        self.seconds = self.loop.now + self.offset
        return self.said("state")

    def on_spans(self) -> list[tuple[float, float]]:
        """From when to when it was on, without breaks."""
        spans, since = [], None
        for at, level in [*self.driven, (self.seconds, 0.0)]:
            if level and since is None:
                since = at
            elif not level and since is not None:
                spans.append((since, at))
                since = None
        return spans

    def check(self, budget: Budget, min_off_ms: int, max_on_ms: int) -> None:
        """Every window within the budget; what nobody could switch off, because no driver lived, is not its fault."""
        spans = [part for span in self.on_spans() for part in _without(span, self.dead)]
        ends = [end for _, end in spans]
        for at in ends:
            used = sum(max(0.0, min(end, at) - max(start, at - budget.window_ms / 1000)) for start, end in spans)
            assert used <= budget.on_ms / 1000 + 1e-6, (at, used, spans)
        assert all(end - start <= max_on_ms / 1000 + 1e-6 for start, end in spans)
        for (_, end), (start, _) in itertools.pairwise(self.on_spans()):
            assert start - end >= min_off_ms / 1000 - 0.0021 or not min_off_ms, (end, start)


def _without(span: tuple[float, float], dead: list[tuple[float, float]]) -> list[tuple[float, float]]:
    parts = [span]
    for since, until in dead:
        parts = [
            cut
            for start, end in parts
            for cut in ((start, min(end, since)), (max(start, until), end))
            if cut[0] < cut[1]
        ]
    return parts
