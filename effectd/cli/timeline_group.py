"""`effectd timeline ...` and `effectd play`: their options and examples; the code is in play and timeline."""

from typing import Annotated

import typer

from effectd.cli import arguments
from effectd.cli.options import HOME, Home

group = typer.Typer(no_args_is_help=True, help="The timelines of this home.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="A timeline of effectd timeline list.")]
_EPILOG = "Exit code: 0 done, 1 it cannot be done (the reason is shown), 69 no broker, 75 no answer."


def play(
    what: Annotated[str, typer.Argument(metavar="FILE-or-NAME", help="A document, or a timeline that is loaded.")],
    from_: Annotated[str, typer.Option("--from", metavar="T", help="Where to begin: seconds or m:ss.")] = "0",
    loop: Annotated[bool, typer.Option("--loop", help="Again from the start at its end.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say what is in the file; play nothing.")] = False,
    home: Home = HOME,
) -> None:
    """Play a timeline: JSON, MPEG-V SEM, Python_PlaySEM's XML, a history, a wind track (docs/timelines.md)."""
    from effectd.cli import play as command

    raise typer.Exit(command.run(home, what, arguments.moment(from_, "--from"), loop=loop, check=check))


_PLAY = """Exit code: 0 it has ended (or --check: it can be played), 1 somebody else stopped it, 65 it is refused,
69 no broker, 75 no answer. Keys: space pauses, the arrows seek 5 s, q stops.

effectd play film.xml             effectd play storm.json --from 1:30             effectd play film.xml --check"""


def add_to(app: typer.Typer) -> None:
    app.add_typer(group, name="timeline")
    app.command("play", epilog=_PLAY)(play)


@group.command("list", epilog="Exit code: 0, 69 no broker.")
def _list(home: Home = HOME) -> None:
    """A row per timeline: what it does, where it is."""
    from effectd.cli import timeline

    raise typer.Exit(timeline.show(home))


@group.command("pause", epilog=_EPILOG)
def _pause(name: Name, home: Home = HOME) -> None:
    """Hold it where it is; its devices are idled."""
    from effectd.cli import timeline

    raise typer.Exit(timeline.order(home, "pause", name, {}))


@group.command("resume", epilog=_EPILOG)
def _resume(name: Name, home: Home = HOME) -> None:
    """Go on; what is due is restored."""
    from effectd.cli import timeline

    raise typer.Exit(timeline.order(home, "resume", name, {}))


@group.command("stop", epilog=_EPILOG)
def _stop(name: Name, home: Home = HOME) -> None:
    """End it; its devices are idled, and it stands at its start."""
    from effectd.cli import timeline

    raise typer.Exit(timeline.order(home, "stop", name, {}))


@group.command("seek", epilog=_EPILOG)
def _seek(
    name: Name, at: Annotated[str, typer.Argument(metavar="T", help="Seconds or m:ss.")], home: Home = HOME
) -> None:
    """Go to another position, playing or not."""
    from effectd.cli import timeline

    raise typer.Exit(timeline.order(home, "seek", name, {"position_ms": arguments.moment(at, "T")}))
