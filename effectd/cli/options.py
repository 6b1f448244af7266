"""Options shared by many commands: the home, and the output format."""

from pathlib import Path
from typing import Annotated, Any

import typer

HOME_HELP = (
    "The folder with config.yaml and supervisor.conf (default: EFFECTD_HOME, else this folder or the nearest above)."
)


def _home(ctx: typer.Context, given: Path | None) -> Path:
    from effectd.config.reader import find_home  # not needed for --help

    return find_home(given or ctx.obj)


Home = Annotated[Path, typer.Option("--home", metavar="DIR", readable=False, callback=_home, help=HOME_HELP)]
HOME: Any = None  # `_home` replaces it with the folder that was found
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON value a line.")]
Lines = Annotated[bool, typer.Option("--lines", help="A line for each event instead of the picture.")]
