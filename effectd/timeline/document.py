"""A timeline document after reading: its effects in order, and the problems found."""

from collections.abc import Generator, Sequence

from msgspec import Struct

from effectd.messages.effect import Effect

DOCUMENT_BYTES = 4 << 20  # section 1 of the contract
EFFECTS = 100_000
LENGTH_MS = 7 * 24 * 3600 * 1000  # a week: no show is longer, but a wrong time base soon is
PROBLEMS = 100  # reported; the rest are only counted


class Problem(Struct, frozen=True):
    """`line` and `column` from 1, 0 = the whole document; `assumed`: what was assumed instead, "" = nothing."""

    line: int
    column: int
    element: str
    problem: str
    assumed: str = ""

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: " if self.line else ""
        what = f"{self.element}: " if self.element else ""
        return f"{where}{what}{self.problem}{f'; assumed: {self.assumed}' if self.assumed else ''}"


class Timeline(Struct, frozen=True):
    """`duration` in ms, `fixed` by the document or the end of the last effect.

    The `timestamp` of each effect is its start; its `id` is empty.
    """

    kind: str
    title: str
    duration: int
    effects: tuple[Effect, ...]
    problems: tuple[Problem, ...] = ()
    fixed: bool = False


Reading = Generator[None, None, Timeline]  # a slice at each `next`; the timeline is its value


class TimelineRefused(Exception):
    """The document as a whole cannot be played; `problems` says why, at least one."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(str(problems[0]))
        self.problems = problems


class Problems:
    """Collects problems, up to a limit."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, problem: Problem) -> None:
        if len(self._found) < PROBLEMS:
            self._found.append(problem)
        else:
            self._more += 1

    def all(self) -> tuple[Problem, ...]:
        more = (Problem(0, 0, "", f"and {self._more} more problems"),) if self._more else ()
        return (*self._found, *more)


def last_end(effects: Sequence[Effect]) -> int:
    """Where the last effect ends; one that does not say how long it lasts counts as its beginning."""
    return max((effect.timestamp + (effect.duration or 0) for effect in effects), default=0)


def made(
    kind: str, effects: list[Effect], problems: Problems, *, title: str = "", length: int | None = None
) -> Timeline:
    """`length` (ms): as given by the document; one that is shorter than its effects is reported."""
    end = last_end(effects)
    if length is not None and length < end:
        problems.add(Problem(0, 0, "duration", f"{length} ms; the last effect ends at {end} ms", "as it stands"))
    return Timeline(
        kind, title[:200], end if length is None else max(0, length), tuple(effects), problems.all(), length is not None
    )


def text_of(data: bytes) -> str:
    """Raises TimelineRefused."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TimelineRefused(Problem(0, 0, "", f"not UTF-8: {error.reason} at byte {error.start}")) from None


def too_many() -> TimelineRefused:
    return TimelineRefused(Problem(0, 0, "", f"more than {EFFECTS} effects"))
