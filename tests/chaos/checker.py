"""Judge a history: what became of every effect, and whether that may be so."""

import bisect
from collections import defaultdict
from collections.abc import Iterable

from effectd.messages.history import Accepted, Acked, Actuated, Dead, Ended, Event, Program, Published, Set, Stopped
from tests.chaos import over_time, readiness, shows
from tests.chaos.events import WINDOW_MS, Crowded, Fenced, Stalled, Struck
from tests.chaos.over_time import TOLERANCE_MS, Bounds, Span
from tests.chaos.shows import Shows
from tests.chaos.verdict import Told, Verdict

READY_MS = 1000.0  # who was ready for so long within an effect's ttl has no excuse
# a call that ran when the stop came may still move the actuator; `off` follows at its heels
LAST_CALL_MS, AT_ITS_HEELS_MS = 300.0, 40.0
CROWDED_MS = 1000.0  # more than this a crowd excuses nothing
DEAF_S, DEAF_EFFECTS = 5.0, 20  # a device that takes nothing for so long, and so many; a hold of priority 9 ends sooner
NEVER_DRIVEN = ("expired", "superseded")  # what is told so was not driven
FLASH_LIMIT = "flash limit"


def judge(
    events: Iterable[Event],
    max_on_ms: dict[str, int],
    buses: dict[str, str] | None = None,
    bounds: Bounds | None = None,
) -> Verdict:
    """`max_on_ms`: of each device; actuations are those that a witness saw (source `witness`).

    `buses`: device -> the program that drives it, where that is not called like the device.
    """
    return _Judge(list(events), max_on_ms, buses or {}, bounds or Bounds()).verdict


class _Judge:
    def __init__(self, events: list[Event], max_on_ms: dict[str, int], buses: dict[str, str], bounds: Bounds) -> None:
        self.verdict = Verdict()
        self._max_on_ms, self._buses = max_on_ms, buses
        self._start = events[0].mono_ms if events else 0.0
        self._end = events[-1].mono_ms if events else 0.0
        self._effects: dict[str, Told] = defaultdict(Told)
        self._witnessed: dict[str, list[Actuated]] = defaultdict(list)
        self._acked: dict[tuple[str, str], float] = {}
        self._stops: list[Stopped] = []
        self._fences: dict[str, list[float]] = defaultdict(list)
        self._all_fences: list[float] = []
        self._tokens: set[tuple[str, str]] = set()
        self._struck: list[Struck] = []
        self._stalled: list[Stalled] = []
        self._crowded: list[Crowded] = []
        self._programs: list[Program] = []
        self._shows = Shows()
        # a recorder that ran along heard the same again
        own = {type(event) for event in events if event.source != "record"}
        for event in events:
            if event.source != "record" or type(event) not in own:
                self._take(event)
        for event in events:
            if isinstance(event, Program):
                self._programs.append(event)
        self._shows.tell(self._effects)
        self.verdict.crowded = sum(c.waited_ms for c in self._crowded) / max(1.0, self._end - self._start)
        self._count()
        self._lost()
        self._driven()
        self._after_a_stop()
        self._endless()
        self._unexcused()
        self._deaf()
        over_time.budgets(bounds, self._witnessed, self._hung, self._tolerance, self._find)
        over_time.flashes(bounds, self._witnessed, self._delayed, self._find)
        over_time.held(self._witnessed, self._programs, self._buses, self._find)
        self._shows.judge(self._witnessed, self._all_fences, self._hung, self._tolerance, self._find)

    def _take(self, event: Event) -> None:
        match event:
            case Published(id=str(id_)):
                self._effects[id_].published.append(event)
            case Accepted(id=id_):
                effect = self._effects[id_]
                effect.accepted, effect.receipted = True, effect.receipted or event.mono_ms
            case Ended(id=id_):
                effect = self._effects[id_]
                effect.receipted = effect.receipted or event.mono_ms
                if not any(_same(event, other) for other in effect.ended):
                    effect.ended.append(event)
            case Acked():
                self._acked.setdefault((event.id, event.device), event.mono_ms)
            case Actuated(source="witness"):
                self._witnessed[event.device].append(event)
                if event.on and event.id:
                    self._effects[event.id].driven[event.device].append(event.mono_ms)
            case Stopped():
                self._stops.append(event)
            case Fenced() if (event.device, event.token) not in self._tokens:
                self._tokens.add((event.device, event.token))
                self._fences[event.device].append(event.mono_ms)
                if event.token.startswith("all-"):
                    self._all_fences.append(event.mono_ms)
            case Struck():
                self._struck.append(event)
            case Stalled():
                self._stalled.append(event)
            case Crowded():
                self._crowded.append(event)
            case Dead() | Set() | shows.Loaded() | shows.Ordered() | shows.Showed():
                self._shows.take(event)

    def _find(self, word: str, text: str, at: float) -> None:
        before = [f"{s.fault}{' over' if s.over else ''}" for s in self._struck if s.mono_ms <= at]
        after = f" (after {', '.join(before[-2:])})" if before else ""
        self.verdict.defects[word].append(f"{text}, {self._clock(at)}{after}")

    def _clock(self, at: float) -> str:
        return f"at +{(at - self._start) / 1000:.3f} s"

    def _count(self) -> None:
        self.verdict.effects = len(self._effects)
        self.verdict.faults.update(s.fault for s in self._struck if not s.over)
        done = [e.ended[0] for e in self._effects.values() if e.published and e.ended and e.ended[0].status == "done"]
        self.verdict.took = [end.latency_ms for end in done if end.latency_ms is not None]
        self.verdict.ends.update(e.ended[0].status for e in self._effects.values() if e.ended)

    def _lost(self) -> None:
        for id_, effect in self._effects.items():
            if not effect.ended:
                if effect.given:
                    continue  # a timeline's, whose receipt went down with the broker: nobody asks for it again
                word = "accepted, but no end was told" if effect.accepted else "never receipted"
                at = effect.published[0].mono_ms if effect.published else self._end
                self._find("lost", f"{id_}: {word}; published {len(effect.published)} times, first", at)
            elif len(effect.ended) > 1:
                words = " and ".join(f"{e.status} ({e.reason})" for e in effect.ended)
                self._find("contradicted", f"{id_}: told {words}", effect.ended[1].mono_ms)

    def _driven(self) -> None:
        """What the witness saw against what was told."""
        for id_, effect in self._effects.items():
            for device, times in effect.driven.items():
                if len(times) > 1:
                    self._find("duplicated", f"{id_}: {device} driven {len(times)} times, last", times[-1])
                if effect.received is None:
                    continue
                due = effect.received + effect.ttl_ms
                if times[0] > due + self._tolerance(due, times[0]):
                    late = times[0] - due
                    self._find("late", f"{id_}: {device} driven {late:.0f} ms after its ttl", times[0])
            for device, status in (effect.ended[0].devices if effect.ended else {}).items():
                if status == "done" and not effect.driven.get(device) and not _left_as_it_was(effect, device):
                    self._find("unheard", f"{id_}: told done by {device}, never seen", effect.ended[0].mono_ms)
                if status in NEVER_DRIVEN and effect.driven.get(device):
                    at = effect.driven[device][0]
                    self._find("contradicted", f"{id_}: told {status}, but {device} was driven", at)

    def _after_a_stop(self) -> None:
        """Per device that has heard the stop (its fence): nothing of before it drives after the `off` that follows."""
        for stop in self._stops:
            before = {id_ for id_, effect in self._effects.items() if _before(effect, stop)}
            for device, seen in self._witnessed.items():
                if stop.device not in (None, device):
                    continue
                fenced = _first(self._fences[device], stop.mono_ms)
                off = next((e.mono_ms for e in seen if e.mono_ms >= stop.mono_ms and not e.on), None)
                if fenced is None or off is None or fenced > stop.mono_ms + 10 * READY_MS:
                    continue  # it did not hear this one: it was dead, or the broker died with it
                over = max(off, fenced)
                for number, event in enumerate(seen):
                    if event.mono_ms > over and event.on and event.id in before:
                        then = seen[number + 1] if number + 1 < len(seen) else None
                        last_call = event.mono_ms < fenced + LAST_CALL_MS and then is not None and not then.on
                        if not (last_call and then and then.mono_ms - event.mono_ms < AT_ITS_HEELS_MS):
                            since = event.mono_ms - stop.mono_ms
                            text = f"{event.id}: {device} driven {since:.0f} ms after a stop that it was before"
                            self._find("after a stop", text, event.mono_ms)

    def _endless(self) -> None:
        for device, seen in self._witnessed.items():
            for number, event in enumerate(seen):
                if not event.on or event.id is None:
                    continue
                on_ms = min(self._effects[event.id].duration_ms or self._max_on_ms[device], self._max_on_ms[device])
                then = seen[number + 1].mono_ms if number + 1 < len(seen) else self._end
                # the device moves before the driver's call to it has returned; only then the ack, and the duration
                began = max(event.mono_ms, self._acked.get((event.id, device), 0.0))
                due = self._excused(device, event.mono_ms, began + on_ms)
                if then > due + self._tolerance(due, then):
                    was = then - event.mono_ms
                    text = f"{event.id}: {device} was on for {was:.0f} ms instead of {on_ms:.0f}"
                    self._find("endless", text, event.mono_ms)

    def _excused(self, device: str, start: float, due: float) -> float:
        """While a driver hangs nobody can switch its device off; how long that may be, the nemesis watches."""
        for since, until in self._hung(device):
            if since < due and until > start:
                due = max(due, until)
        return due

    def _tolerance(self, due: float, seen: float) -> float:
        """What may lie between an event and the witness's word of it, on the machine as it was then."""
        return TOLERANCE_MS + self._delayed(due, seen)

    def _delayed(self, due: float, seen: float) -> float:
        """How much of it the machine is to blame for."""
        stalled = sum(s.late_ms for s in self._stalled if due < s.mono_ms and s.mono_ms - s.late_ms < seen)
        crowded = sum(c.waited_ms for c in self._crowded if due < c.mono_ms <= seen + WINDOW_MS)
        return stalled + min(crowded, CROWDED_MS)

    def _hung(self, *names: str) -> list[tuple[float, float]]:
        """When one of these programs, or a device's, stood still, from the strike until all was ready again."""
        programs = [self._buses.get(name, name) for name in names]
        spans, since = [], dict[str, float]()
        for struck in self._struck:
            for name in set(struck.hangs).intersection(programs):
                if not struck.over:
                    since[name] = struck.mono_ms
                elif name in since:
                    spans.append((since.pop(name), struck.mono_ms))
        return [*spans, *((start, self._end) for start in since.values())]

    def _unexcused(self) -> None:
        """Expired, though broker, dispatcher and device were ready for a second within its ttl."""
        spans: dict[str, list[tuple[float, float]]] = {}
        for id_, effect in self._effects.items():
            for device, status in (effect.ended[0].devices if effect.ended else {}).items():
                if status != "expired" or effect.received is None:
                    continue
                if device not in spans:
                    spans[device] = self._ready_spans(device)
                start, end = effect.received, effect.received + effect.ttl_ms
                best = max((min(end, b) - max(start, a) for a, b in spans[device]), default=0.0)
                if best >= READY_MS + self._tolerance(start, end) - TOLERANCE_MS:  # a crowd held everybody up
                    text = f"{id_}: expired on {device}, all ready for {best:.0f} ms ({effect.ended[0].reason})"
                    self._find("unexcused", text, end)

    def _deaf(self) -> None:
        """A device whose every effect is superseded for seconds, though all are ready and no newer one is driven."""
        said: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for effect in self._effects.values():
            for device, status in (effect.ended[0].devices if effect.ended else {}).items():
                said[device].append((effect.ended[0].mono_ms, status))
        for device, words in said.items():
            for since, until in self._ready_spans(device):
                run: list[float] = []
                for at, status in [*sorted(word for word in words if since <= word[0] <= until), (until, "")]:
                    if status == "superseded":
                        run.append(at)
                        continue
                    if len(run) >= DEAF_EFFECTS and run[-1] - run[0] > DEAF_S * 1000:
                        took = (run[-1] - run[0]) / 1000
                        self._find(
                            "deaf", f"{device}: {len(run)} effects superseded in a row, for {took:.1f} s", run[0]
                        )
                    run = []

    def _ready_spans(self, device: str) -> list[Span]:
        names = ("broker", "dispatcher", self._buses.get(device, device))
        return readiness.spans(self._programs, names, self._end, self._hung("broker", "dispatcher", device))


def _same(one: Ended, other: Ended) -> bool:
    return (one.status, one.devices, one.reason, one.said_at) == (
        other.status,
        other.devices,
        other.reason,
        other.said_at,
    )


def _before(effect: Told, stop: Stopped) -> bool:
    """The stop ends it: it was receipted before, or published on the stop's own connection before and never since."""
    if effect.receipted is not None and effect.receipted < stop.mono_ms:
        return True
    return bool(effect.published) and all(
        p.source == stop.source and p.mono_ms <= stop.mono_ms for p in effect.published
    )


def _left_as_it_was(effect: Told, device: str) -> bool:
    """The flash limit left the light dark: `done`, and nothing to be seen."""
    return f"{device}: {FLASH_LIMIT}" in effect.ended[0].reason


def _first(times: list[float], since: float) -> float | None:
    at = bisect.bisect_left(times, since)
    return times[at] if at < len(times) else None
