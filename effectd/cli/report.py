"""Prints a summary of a timeline: types, counts, length, and each problem with its line."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import typer

from dispatcher_proc import score
from dispatcher_proc.score import Score
from effectd.base.steps import finished
from effectd.cli import style
from effectd.config.reader import Config
from effectd.timeline.document import DOCUMENT_BYTES, Problem, TimelineRefused
from effectd.timeline.reading import read


def load(path: Path, tree: Config) -> Score | None:
    """The file resolved for this home's devices; None if it is refused as a whole, which is then reported."""
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_BYTES + 1)
        timeline = read(data)
    except OSError as error:
        typer.echo(f"{path}: {error.strerror}", err=True)
        return None
    except TimelineRefused as refused:
        show_problems(path, refused.problems)
        return None
    return finished(score.build(timeline, tree))


def show(path: Path, found: Score) -> None:
    timeline = found.timeline
    title = f"  {style.clean(timeline.title)}" if timeline.title else ""
    typer.echo(f"{path}: {timeline.kind}, {len(timeline.effects)} effects, {style.clock(found.length)}{title}")
    counts = Counter(effect.effect_type for effect in timeline.effects)
    taken = Counter(command.effect.effect_type for command in found.commands)
    devices: dict[str, set[str]] = {}
    for command in found.commands:
        devices.setdefault(command.effect.effect_type, set()).update(command.devices)
    width = max((len(name) for name in counts), default=0)
    for name, count in counts.most_common():
        on = f"on {', '.join(sorted(devices[name]))}" if taken[name] else "no device here takes it"
        typer.echo(f"  {style.clean(name):<{width}}  {count:>6}  {on}")
    show_problems(path, found.problems)


def show_problems(path: Path | str, problems: Iterable[Problem]) -> None:
    for problem in problems:
        typer.echo(f"{path}:{'' if problem.line else ' '}{style.clean(str(problem), 1000)}", err=True)
