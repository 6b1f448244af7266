"""One actuator: decides its next change and the outcome of each effect. No process, no MQTT, no thread.

The program around it asks for the change that is due (`next`), executes it, and reports that (`moved`), or `lost` after
a call that failed or was late. An incoming effect does not change the state: it waits until `next` starts it (only the
newest one waits), or it ends at once with the reason.

| state     | stop       | next                       | moved             | lost       | its time is up |
|-----------|------------|----------------------------|-------------------|------------|----------------|
| off due   | off due    | going off                  | -                 | off due    | off due        |
| going off | going off! | going off                  | off               | going off! | going off      |
| off       | off due    | off / moving               | -                 | off due    | -              |
| moving    | moving!    | moving                     | on / fading / off | moving!    | moving         |
| on        | off due    | on / moving                | -                 | off due    | off due        |
| fading    | off due    | fading / moving / stepping | -                 | off due    | off due        |
| stepping  | stepping!  | stepping                   | on / fading / off | stepping!  | stepping!      |

What `next` picks is within the device's envelope: an effect that finds no budget ends there, one that finds its device
resting (min_off_ms) keeps waiting, and a level above the flash limit is not driven. `its time is up` is the end of the
effect's duration, or of what the budget allows. While the device is held nothing is accepted: a hold is a stop.

With `!`, off is due as soon as the call has returned: only `moved` leads out of it, to `off due`. The initial state is
`off due`: anything that a dead predecessor left on is switched off.
"""

from collections.abc import Callable

import msgspec

from drivers import deadline
from drivers.envelope import FLASH_LIMIT, Envelope
from drivers.fence import Fence
from drivers.order import Order
from drivers.pace import Pace
from drivers.ramp import Ramp
from drivers.reporter import Reporter
from drivers.scaling import limited
from drivers.waiting import Waiting
from effectd.base.errors import in_words
from effectd.base.loop import AnyLoop, Cancellable
from effectd.config.schema import Device
from effectd.messages.effect import Effect, boot_id


class Change(msgspec.Struct, frozen=True):
    """A change to execute: the effect (None = off), the level of this step, and whether it is its first step."""

    effect: Effect | None = None
    level: Effect | None = None
    first: bool = True
    limited: bool = False  # the flash limit allows no other level than the present one


OFF = Change()


class Actuator:
    """`wake` asks the program to call `next` again."""

    def __init__(  # noqa: PLR0917
        self,
        loop: AnyLoop,
        device: Device,
        reporter: Reporter,
        fence: Fence,
        envelope: Envelope,
        wake: Callable[[], object],
    ) -> None:
        self._loop, self._device, self._limits = loop, device, device.limits
        self._reporter, self._fence, self._envelope, self._wake = reporter, fence, envelope, wake
        self._ack = reporter.ack
        self._order = Order(reporter.driven)
        boot = boot_id()
        self.there_ms: Callable[[], float] | None = None  # the clock of the dispatcher's machine, if not this one
        self._left: Callable[[Effect], float] = lambda effect: deadline.left(effect, boot, loop.time(), self.there_ms)
        self._waiting = Waiting(loop, self._left, self._expired)
        self._ending = ""  # why nothing is accepted any more
        self._held = ""  # who holds it, and why
        self._cut = ""  # the limit that ended the last effect
        self._off_due = True
        self._moving: Change | None = None
        self._overdue = False  # the running change has exceeded its time limit
        self._on: Effect | None = None  # the effect that is on
        self._level: Effect | None = None  # that level: the effect itself, or a step of its fade
        self._ramp: Ramp | None = None  # while there are steps left
        self._ramp_began = self._step_at = 0.0
        self._off_timer: Cancellable | None = None
        self._pace = Pace(loop, self._limits.max_rate_hz, wake)

    @property
    def state(self) -> str:
        """The state, by the table above."""
        if self._moving is None:
            if self._off_due:
                return "off due"
            if self._on is None:
                return "off"
            return "on" if self._ramp is None else "fading"
        word = "going off" if self._moving.effect is None else "moving" if self._moving.first else "stepping"
        return word + "!" * self._off_due

    # --- what comes in -------------------------------------------------------------------------------------------

    def take(self, effect: Effect) -> None:
        """An effect from the dispatcher: it waits for the device, or ends at once, with the reason."""
        if not self._reporter.first_time(effect):
            return
        if refusal := self._unfit(effect):
            self._ack(effect, *refusal)
            return
        if (older := self._waiting.take()) is not None:
            self._ack(older, "superseded", f"effect {effect.id} took its place")
        self._order.took(effect)
        self._waiting.put(effect)
        self._wake()
        self._waiting.look()  # if it still waits: the device is busy, or max_rate_hz says so

    def stop(self, *, everything: bool = False) -> None:
        """Off as soon as possible; nothing from before the stop is driven any more. `everything`: it was for all."""
        self._fence.raise_(everything=everything)
        self._halt("stopped")

    def hold(self, why: str) -> None:
        """`why` says who holds it: it goes off and accepts nothing; "" = it is no longer held."""
        before, self._held = self._held, why
        if why and why != before:
            self._fence.raise_()
            self._halt(why)
        elif before and not why and self.state == "off":
            self._reporter.state(None)

    def end(self) -> None:
        """Off, and nothing is accepted any more."""
        self._ending = "the driver is ending"
        self._halt(f"stopped: {self._ending}")

    # --- what the program executes -------------------------------------------------------------------------------

    def next(self) -> Change | None:
        """The change that is due now, to be followed by `moved`; None: nothing is due, `wake` is called when it is."""
        if self._moving is not None:
            return None
        if self._off_due:
            self._off_due, self._on, self._ramp = False, None, None
            self._envelope.dark()
            change: Change | None = OFF
        else:
            wanted = self._waiting.effect is not None or self._ramp is not None
            change = (self._begin() or self._step()) if self._pace.allows(wanted=wanted) else None
        self._moving, self._overdue = change, False
        return change

    def moved(self, raised: Exception | None = None) -> None:
        """The change was executed, or failed."""
        change, self._moving = self._moving, None
        assert change is not None
        self._envelope.driven()
        if raised is not None:
            if change.effect is not None and change.first:
                self._ack(change.effect, "failed", in_words(raised))
        elif change.effect is None or change.level is None:
            self._ended()
            self._reporter.state(None, self._held or self._envelope.why_cut(self._cut))
        elif change.first:
            self._started(change.effect, change.level, limited=change.limited)
        else:
            self._stepped(change.effect, change.level)
        if raised is None and self._on is None:
            self._envelope.ended()

    def overdue(self, why: str) -> None:
        """The running change has exceeded its time limit."""
        self._overdue = True
        if self._moving is not None and self._moving.effect is not None and self._moving.first:
            self._ack(self._moving.effect, "failed", why)

    def lost(self) -> None:
        """A call failed or was late, so what the device does is unknown: off comes first."""
        self._off_due = True

    # --- decisions -----------------------------------------------------------------------------------------------

    def _unfit(self, effect: Effect) -> tuple[str, str] | None:
        """Status and reason of an effect that is not even queued."""
        if closed := self._ending or self._held or (self._fence.up and "it was published before a stop"):
            return "stopped", closed
        if self._reporter.lost_track_of(effect):
            return "failed", "it may have been driven already: this driver's notes are lost"
        if self._order.overtaken(effect):
            return "superseded", "a newer effect was here first"
        if self._left(effect) < 0:
            return "expired", "arrived after its deadline"
        holder = self._holder()
        if holder is not None and effect.intensity and holder.priority > effect.priority:
            return "superseded", f"effect {holder.id} has priority {holder.priority}"
        return None

    def _holder(self) -> Effect | None:
        """Whose priority a newcomer has to reach: what waits, else what is being applied, else what is on."""
        if self._waiting.effect is not None or self._off_due:  # an effect that is about to go off blocks nothing
            return self._waiting.effect
        moving = self._moving.effect if self._moving is not None else None
        holder = moving if moving is not None and moving.intensity and not self._overdue else self._on
        return holder if holder is not None and holder.intensity else None  # neither does one that fades down

    def _expired(self, effect: Effect) -> None:
        self._ack(effect, "expired", "its deadline passed while it waited for the device")

    def _halt(self, reason: str) -> None:
        if (waiting := self._waiting.take()) is not None:
            self._ack(waiting, "stopped", reason)
        self.lost()
        self._wake()

    def _begin(self) -> Change | None:
        """The first step of what waits, if it is still in time and has been noted."""
        if (effect := self._waiting.due()) is None:
            return None
        if effect.intensity and not self._pace.reached(self._envelope.rests_until):
            return None
        self._waiting.take()
        effect = limited(effect, self._device)
        if effect.intensity and (refusal := self._envelope.refusal()):
            self._ack(effect, "failed", refusal)
            return None
        noted = self._reporter.seen(effect) and (not effect.intensity or self._envelope.began())
        if not noted and effect.intensity:  # a successor might drive it again; for off that does no harm
            self._ack(effect, "failed", "cannot be noted: " + self._reporter.trouble)
            return None
        self._ramp = None
        if effect.fade and (effect.intensity or self._level is not None):
            self._ramp, self._ramp_began = Ramp(self._level, effect, self._limits.max_rate_hz), self._loop.time()
            return self._next_step(self._ramp, first=True)
        return self._change(effect, effect, first=True)

    def _step(self) -> Change | None:
        """The next step of a fade, if it is due; a device slower than the steps skips some."""
        if self._ramp is None or not self._pace.reached(self._step_at):
            return None
        return self._next_step(self._ramp, first=False)

    def _next_step(self, ramp: Ramp, *, first: bool) -> Change:
        elapsed_s = self._loop.time() - self._ramp_began
        level = ramp.at(elapsed_s)
        if level is ramp.end:
            self._ramp = None
        else:
            self._step_at = self._ramp_began + ramp.following_s(elapsed_s)
        return self._change(ramp.end, level, first=first)

    def _change(self, effect: Effect, level: Effect, *, first: bool) -> Change:
        """This level, or if the flash limit does not allow it, the present one."""
        self._pace.count()
        if self._envelope.allows(level):
            return Change(effect, level, first)
        now = self._level
        kept = {"intensity": now.intensity, "parameters": now.parameters} if now is not None else {"intensity": 0.0}
        return Change(effect, msgspec.structs.replace(level, **kept), first, limited=True)

    def _started(self, effect: Effect, level: Effect, *, limited: bool) -> None:
        was_on = self._on is not None
        self._ended()
        on = level.intensity or self._ramp is not None  # the first step of a long fade may be almost 0
        if on:
            self._on, self._level, self._cut = effect, level, ""
            on_ms = effect.duration or self._limits.max_on_ms
            if not effect.intensity:
                on_ms = min(effect.fade, self._limits.max_on_ms)  # a fade down has no other duration
            self._end_within(effect, on_ms / 1000)
        self._ack(effect, "done", FLASH_LIMIT if limited else "")
        if on or was_on or not limited:
            self._moved_on(level)

    def _stepped(self, effect: Effect, level: Effect) -> None:
        self._level = level
        if level is effect and not effect.intensity:
            self._ended()
        self._moved_on(level)

    def _moved_on(self, level: Effect) -> None:
        self._reporter.state(level)
        if self._ramp is not None:
            self._pace.look_at(self._step_at)

    def _end_within(self, effect: Effect, on_s: float) -> None:
        cut_s, limit = self._envelope.cut()
        if cut_s >= on_s:
            limit = ""
        self._off_timer = self._loop.call_later(max(0.0, min(on_s, cut_s)), self._time_is_up, effect, limit)

    def _time_is_up(self, effect: Effect, limit: str) -> None:
        if self._moving is None or self._moving.effect is effect:  # else a stop would end its successor, too
            self._cut = limit
            self.lost()
            self._wake()

    def _ended(self) -> None:
        self._on = self._level = None
        if self._off_timer is not None:
            self._off_timer.cancel()
            self._off_timer = None
