"""Plays several timelines at once: fires commands when due, idles devices at a pause, restores them at a resume.

A device does what the newest effect of at least the same priority says, from any origin. The conductor remembers for
each device which timeline's effect it fired last. When that ends, or its timeline is paused or stopped, what another
playing timeline wants there at that moment is restored (an ambience under a cue); if none wants anything the device is
idled. A device whose present effect is a live one, not a timeline's, is left alone.
"""

import math
from collections.abc import Callable, Iterable

import msgspec

from dispatcher_proc.held import AGAIN_MS, Held, by_type
from dispatcher_proc.runs import Runs
from dispatcher_proc.score import Command, Score, Segment, aimed
from dispatcher_proc.show import Show, Turn
from effectd.base.loop import AnyLoop, Cancellable
from effectd.messages.effect import Effect


class Conductor:
    """`submit` takes an effect; `present(device)` are the ids of what may be on there, none if nothing is known.

    `changed` is called with the name of a timeline whose state is to be published and stored; `fired` at each command.
    `is_open`: whether an effect may still start, because its driver was away.
    """

    def __init__(  # noqa: PLR0917
        self,
        loop: AnyLoop,
        submit: Callable[[Effect, Show], None],
        present: Callable[[str], list[str]],
        changed: Callable[[Show], None],
        fired: Callable[[Show], None] = lambda _show: None,
        is_open: Callable[[str], bool] = lambda _id: False,
    ) -> None:
        self._loop, self._submit, self._present, self._is_open = loop, submit, present, is_open
        self._changed, self._fired = changed, fired
        self.shows: dict[str, Show] = {}
        self._held: dict[str, Held] = {}
        self.runs = Runs()
        self._timer: Cancellable | None = None
        self._at = 0.0  # when this turn, or order, began: restoring and firing use the same moment

    def now(self) -> float:
        """ms."""
        return self._loop.time() * 1000

    def show(self, name: str) -> Show:
        if name not in self.shows:
            self.shows[name] = Show(name)
        return self.shows[name]

    # --- orders --------------------------------------------------------------------------------------------------

    def load(self, name: str, score: Score) -> None:
        show = self.show(name)
        show.load(score)
        self._changed(show)

    def play(self, name: str, from_ms: float = 0.0, *, loop: bool = False) -> None:
        show = self._asked(name)
        if show.play(self._at, from_ms, loop=loop):
            self._begin(show)

    def pause(self, name: str) -> None:
        show = self._asked(name)
        if show.pause(self._at):
            self._leave(self._devices_of(show))
            self._changed(show)
            self._plan()

    def resume(self, name: str) -> None:
        show = self._asked(name)
        if show.resume(self._at):
            self._begin(show)

    def seek(self, name: str, to_ms: float) -> None:
        show = self._asked(name)
        if show.seek(self._at, to_ms):
            self._begin(show)
        else:
            if show.status == "paused":  # it may have ended and left something on
                self._leave(self._devices_of(show))
            self._changed(show)
            self._plan()

    def stop(self, name: str) -> None:
        show = self._asked(name)
        if show.stop():
            self._leave(self._devices_of(show))
            self._changed(show)
            self._plan()

    def stop_all(self, *, off: bool) -> None:
        """Stop every timeline; `off`: the drivers have received a stop themselves, so nothing need be idled."""
        self._at = self.now()
        if off:
            self._held.clear()
        for show in self.shows.values():
            if show.stop():
                if not off:
                    self._leave(self._devices_of(show), others=False)
                self._changed(show)
        self._plan()

    def stopped(self, device: str) -> None:
        """The device was stopped: nothing from before the stop comes back there."""
        self._held.pop(device, None)

    def go_on(self, name: str, run: str, noted: float, passed: float, index: int, *, loop: bool) -> None:
        """Continue after a death of this process, `passed` ms after the position `noted` was stored.

        The commands before `index` were fired in this run. Of the others, those that fell due meanwhile are not fired
        any more: what should still be on is restored, and what they would have ended is ended.
        """
        show = self._asked(name)
        if show.score is None:
            return
        now, position = self._at, noted + passed
        show.run = run
        if loop and position >= show.score.length > 0:
            noted, position, index, show.run = -1.0, position % show.score.length, 0, self.runs.new()
        show.go_on(now, position, index, loop=loop)
        position = show.position(now)
        due = show.score.due(position)
        for device, segment in show.score.last_fired(index).items():
            if segment.start <= position < segment.end:  # the driver is still doing it
                self._hold(show, device, segment.command, now + segment.end - position)
                due.pop(device, None)
            elif segment.end > noted and (device not in due or due[device].priority < segment.priority):
                self._hold(show, device, segment.command, math.inf)  # perhaps still on, and in the way of what is due
        self._leave([device for device in self._devices_of(show) if self._held[device].until == math.inf])
        self._restore(show, due)
        self._changed(show)
        self._plan()

    def _asked(self, name: str) -> Show:
        self._at = self.now()
        return self.show(name)

    # --- time passes ---------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._timer, self._at = None, self.now()
        for show in list(self.shows.values()):
            self._move(show)
        self._let_end()
        self._plan()

    def _move(self, show: Show) -> None:
        turn = show.turn(self._at)
        self._fire(show, turn)
        while turn.ended and show.status == "playing":  # it loops, and its next start may be due already
            show.run = self.runs.new()
            show.again(self._at)
            self._changed(show)
            turn = show.turn(self._at)
            self._fire(show, turn)
        if turn.ended:
            self._changed(show)

    def _fire(self, show: Show, turn: Turn) -> None:
        now = self._at
        if turn.restore and show.score is not None:
            show.run = self.runs.new()
            self._restore(show, show.score.due(show.position(now)))
        for command in turn.fire:
            sent = self._named(show, command, command.effect)
            self._make_way(command.devices if sent.intensity else (), sent)
            self._submit(sent, show)
            for device in command.devices:
                segment = show.score.segment(device, command) if show.score is not None else None
                if segment is not None:
                    self._hold(show, device, command, now + segment.end - show.position(now), sent.id)
                elif not command.effect.intensity and (held := self._held.get(device)) is not None:
                    held.until = min(held.until, now + command.effect.fade)
        if turn.fire:
            self._fired(show)

    def _let_end(self) -> None:
        """Where an effect is over by now, restore what another timeline wants there."""
        now = self._at
        for device, held in list(self._held.items()):
            if held.until <= now + 1e-6:
                wanted = self._wanted(device, held.show) if held.may_be_on(self._present(device)) else None
                if wanted is not None:
                    self._make_way([device], wanted[1].command.effect)
                del self._held[device]
                if wanted is not None:
                    self._give_back(device, *wanted)
                elif self._is_open(held.id):  # it may still start late; a pause or stop before that ends it
                    self._held[device] = msgspec.structs.replace(held, until=now + AGAIN_MS)

    def _plan(self) -> None:
        """Set the timer for the next moment at which there is something to do."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        moments = [at for show in self.shows.values() if (at := show.next_at()) is not None]
        if moments:  # else no timeline plays to which a device could be given back
            moments += [held.until for held in self._held.values()]
            self._timer = self._loop.call_later(max(0.0, (min(moments) - self.now()) / 1000), self._turn)

    # --- what is on ----------------------------------------------------------------------------------------------

    def _begin(self, show: Show) -> None:
        """Start a new run at the show's position: end what should not be on there, restore what should."""
        assert show.score is not None
        show.run = self.runs.new()
        due = show.score.due(show.position(self._at))
        coming = {device: segment.priority for device, segment in due.items()}
        coming |= {device: command.effect.priority for command in show.comes_next() for device in command.devices}
        left = [device for device in self._devices_of(show) if coming.get(device, -1) < self._held[device].priority]
        self._leave(left)
        self._restore(show, due)
        self._changed(show)
        self._turn()

    def _devices_of(self, show: Show) -> list[str]:
        return [device for device, held in self._held.items() if held.show is show]

    def _leave(self, devices: Iterable[str], *, others: bool = True) -> None:
        """End the effects of a timeline on these devices: other timelines take over there, or they are idled."""
        idle: dict[str, Held] = {}
        back: list[tuple[str, Show, Segment]] = []
        now = self._at
        for device in devices:
            held = self._held.pop(device)
            if (held.until > now or self._is_open(held.id)) and held.may_be_on(self._present(device)):
                wanted = self._wanted(device, held.show) if others else None
                if wanted is not None:
                    back.append((device, *wanted))
                if wanted is None or wanted[1].priority < held.priority:
                    idle[device] = held
        self._idle(idle)
        for device, show, segment in back:
            self._give_back(device, show, segment)

    def _idle(self, devices: dict[str, Held]) -> None:
        for (name, effect_type), names in by_type(devices).items():
            off = Effect(id=f"{name}.{self.runs.new()}.off", effect_type=effect_type, intensity=0, duration=0)
            self._submit(aimed(off, names), self.shows[name])

    def _make_way(self, devices: Iterable[str], coming: Effect) -> None:
        """For a driver what ends just now is still on, and a higher one would refuse what follows: off with it."""
        there = {device: held for device in devices if (held := self._held.get(device)) is not None}
        ending = {device: held for device, held in there.items() if held.until <= self._at + 1e-6}
        self._idle({d: h for d, h in ending.items() if h.priority > coming.priority and h.may_be_on(self._present(d))})

    def _wanted(self, device: str, gone: Show) -> tuple[Show, Segment] | None:
        """What another playing timeline wants on the device now: the highest priority, then the latest."""
        now = self._at
        wanted: list[tuple[int, float, Show, Segment]] = []
        for show in self.shows.values():
            if show is not gone and show.status == "playing" and show.score is not None:
                segment = show.score.due(show.position(now)).get(device)
                if segment is not None and show.has_fired(segment.command):
                    began = now - (show.position(now) - segment.start)
                    wanted.append((segment.priority, began, show, segment))
        return max(wanted, key=lambda each: each[:2])[2:] if wanted else None

    def _give_back(self, device: str, show: Show, segment: Segment) -> None:
        show.run = self.runs.new()  # its present run has used this effect's number
        self._restore(show, {device: segment})
        self._changed(show)

    def _restore(self, show: Show, due: dict[str, Segment]) -> None:
        """Fire what should be on at the show's position, for the rest of its duration; each command once."""
        now = self._at
        position = show.position(now)
        shares: dict[tuple[int, int], list[str]] = {}
        for device, segment in due.items():
            shares.setdefault((id(segment.command), segment.end), []).append(device)
        counts: dict[int, int] = {}
        for devices in shares.values():
            segment = due[devices[0]]
            command, effect = segment.command, segment.command.effect
            left = max(1, round(segment.end - position))
            fade = min(left, max(0, round(command.at + effect.fade - position)))
            share = counts[id(command)] = counts.get(id(command), -1) + 1
            again = msgspec.structs.replace(aimed(effect, tuple(devices)), duration=left, fade=fade)
            sent = self._named(show, command, again, f"-{share}" if share else "")
            for device in devices:
                self._hold(show, device, command, now + left, sent.id)
            self._submit(sent, show)

    def _hold(self, show: Show, device: str, command: Command, until: float, id_: str = "") -> None:
        """Remember it as the last one fired there, unless something of higher priority of another timeline is on."""
        held = self._held.get(device)
        higher = held is not None and held.priority > command.effect.priority
        if held is None or held.show is show or not higher or held.until <= self._at:
            self._held[device] = Held(show, command, until, id_ or self._id(show, command))

    def _named(self, show: Show, command: Command, effect: Effect, share: str = "") -> Effect:
        return msgspec.structs.replace(effect, id=self._id(show, command) + share)

    def _id(self, show: Show, command: Command) -> str:
        return f"{show.name}.{show.run}.{command.n}{command.part}"
