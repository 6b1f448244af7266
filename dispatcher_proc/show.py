"""One timeline's clock: whether it plays, its position, and which commands are due; pure, the caller gives the time.

| event       | empty   | loaded  | playing         | paused  | ended   |
|-------------|---------|---------|-----------------|---------|---------|
| load        | loaded  | loaded  | playing         | paused  | loaded  |
| load, wrong | empty   | loaded  | playing         | paused  | ended   |
| play        | empty   | playing | playing         | playing | playing |
| pause       | empty   | loaded  | paused          | paused  | ended   |
| resume      | empty   | loaded  | playing         | playing | ended   |
| seek        | empty   | paused  | playing         | paused  | paused  |
| stop        | empty   | loaded  | loaded          | loaded  | loaded  |
| time passes | empty   | loaded  | playing / ended | paused  | ended   |

A `load` while it plays or is paused waits until `play`. `seek` beyond the end is a seek to the end. After a `load`
that was wrong `empty` is published as `refused`.
"""

from msgspec import Struct

from dispatcher_proc.score import Command, Score
from effectd.timeline.document import Problem

TWICE_MS = 80  # a second `play` within this time is the same one: a button that bounces
SLEWED_MS = 100  # while playing, a seek by less than this is made by slewing
SLEW = 0.02  # by at most so much faster or slower
AT_ONCE = 50  # commands in one turn, some 5 ms; acks, stops and live effects come before the next
LATE_MS = 500  # what was due longer ago is not fired any more; only what should still be on is restored


class Turn(Struct):
    """What is due at a moment: `fire` these, or (`restore`) first restore what should be on; `ended`: it is over."""

    fire: list[Command] = []
    restore: bool = False
    ended: bool = False


class Show:
    """All times are ms: `now` of a clock that only goes forward, positions from the timeline's start."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = "empty"
        self.score: Score | None = None
        self.next: Score | None = None  # loaded while this one played
        self.refused: tuple[Problem, ...] = ()  # of the latest load, if that was refused
        self.loop = False
        self.run = ""
        self.index = 0  # of the next command
        self._position, self._since = 0.0, 0.0  # at `_since` it was at `_position`
        self._rate, self._slewed_at = 1.0, 0.0  # until `_slewed_at` (now) it runs at `_rate`
        self._played_at = -1e9

    # --- orders --------------------------------------------------------------------------------------------------

    def load(self, score: Score) -> None:
        self.refused = ()
        if self.status in ("playing", "paused"):
            self.next = score
        else:
            self.score, self.next, self.status = score, None, "loaded"
            self._position = 0.0

    def load_refused(self, problems: tuple[Problem, ...]) -> None:
        self.refused = problems

    def play(self, now: float, from_ms: float = 0.0, *, loop: bool = False) -> bool:
        """Whether it starts again; False: there is nothing to play, or this is the same `play` once more."""
        if self.score is None or (self.status == "playing" and now - self._played_at < TWICE_MS):
            return False
        if self.next is not None:
            self.score, self.next = self.next, None
        self._played_at, self.loop, self.refused = now, loop, ()
        self.status = "playing"
        self._go_to(now, from_ms)
        return True

    def pause(self, now: float) -> bool:
        """Whether it played."""
        if self.status != "playing":
            return False
        self._position = self.position(now)
        self.status = "paused"
        return True

    def resume(self, now: float) -> bool:
        """Whether it was paused."""
        if self.status != "paused":
            return False
        self.status = "playing"
        self._go_to(now, self._position)
        return True

    def seek(self, now: float, to_ms: float) -> bool:
        """Whether what is on has to be restored: False if the difference is made by slewing, or nothing plays."""
        if self.score is None:
            return False
        playing = self.status == "playing"
        if playing and abs(to_ms - self.position(now)) < SLEWED_MS:
            self._slew(now, to_ms - self.position(now))
            return False
        if not playing:
            self.status = "paused"
        self._go_to(now, to_ms)
        return playing

    def stop(self) -> bool:
        """Whether it played, was paused, or may have left something on."""
        was = self.status in ("playing", "paused", "ended")
        if self.score is not None:
            self.status, self._position = "loaded", 0.0
        return was

    # --- time passes ---------------------------------------------------------------------------------------------

    def position(self, now: float) -> float:
        if self.status != "playing" or self.score is None:
            return self._position
        fast = min(now, self._slewed_at) - self._since
        passed = max(0.0, fast) * self._rate + max(0.0, now - max(self._since, self._slewed_at))
        return min(self._position + passed, float(self.score.length))

    def next_at(self) -> float | None:
        """When (`now`'s clock) `turn` will have something due; None: not by itself."""
        if self.status != "playing" or self.score is None:
            return None
        commands = self.score.commands
        due = commands[self.index].at if self.index < len(commands) else self.score.length
        return self._when(min(due, self.score.length))

    def turn(self, now: float) -> Turn:
        """What is due by now, each once; `ended` if that was the last of it."""
        if self.status != "playing" or self.score is None:
            return Turn()
        commands, position = self.score.commands, self.position(now) + 1e-6
        if self.index < len(commands) and position - commands[self.index].at > LATE_MS:
            self.index = self.score.first_from(position)
            return Turn(restore=True)
        first = self.index
        while self.index < len(commands) and commands[self.index].at <= min(position, self.score.length):
            self.index += 1
            if self.index - first == AT_ONCE:
                return Turn(commands[first : self.index])
        fired = commands[first : self.index]
        if position < self.score.length:
            return Turn(fired)
        if not self.loop or self.score.length <= TWICE_MS:
            self.status, self._position = "ended", float(self.score.length)
        return Turn(fired, ended=True)

    def has_fired(self, command: Command) -> bool:
        """Whether its moment has been handled; one that is due may still wait for its turn."""
        assert self.score is not None
        following = self.score.commands[self.index : self.index + 1]
        return not following or (command.at, command.n) < (following[0].at, following[0].n)

    def comes_next(self) -> list[Command]:
        """What is due at this very moment."""
        assert self.score is not None
        return self.score.commands[self.index : self.score.first_from(self._position + 1e-3)]

    def again(self, now: float) -> None:
        """Loop: start again, exactly when the last pass ended."""
        assert self.score is not None
        ended = self._when(self.score.length)
        self._go_to(ended if now - ended < LATE_MS else now, 0.0)

    def rescore(self, score: Score, now: float) -> bool:
        """The same timeline for a changed set of devices; what was fired is not fired again. False: it is gone."""
        if self.next is not None and self.next.timeline is score.timeline:
            score.digest, self.next = self.next.digest, score
        elif self.score is not None and self.score.timeline is score.timeline:
            score.digest, self.score = self.score.digest, score
            self.index = score.first_from(self.position(now) + 1e-3)
        else:
            return False
        return True

    def go_on(self, now: float, position: float, index: int, *, loop: bool) -> None:
        """After a death: play on at this position; the commands before `index` were fired."""
        self.status, self.loop = "playing", loop
        self._go_to(now, position)
        self.index = max(self.index, index)

    def _go_to(self, now: float, position: float) -> None:
        assert self.score is not None
        self._position = min(max(0.0, position), float(self.score.length))
        self._since, self._slewed_at, self._rate = now, now, 1.0
        self.index = self.score.first_from(self._position)

    def _slew(self, now: float, difference: float) -> None:
        self._position, self._since = self.position(now), now
        self._rate = 1.0 + (SLEW if difference > 0 else -SLEW)
        self._slewed_at = now + abs(difference) / SLEW

    def _when(self, position: float) -> float:
        """When it will be there."""
        fast = (self._slewed_at - self._since) * self._rate
        ahead = position - self._position
        if ahead <= fast:
            return self._since + ahead / self._rate
        return self._slewed_at + ahead - fast
