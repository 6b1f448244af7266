"""The commands stop, hold and release: their options and examples."""

from typing import Annotated

import typer

from effectd.cli import complete
from effectd.cli.options import HOME, Home

app = typer.Typer()


@app.command(
    "stop",
    epilog="""Exit code: 0 every driver here confirmed within 2 s that its actuator is off, 1 not, 77 not your home.

effectd stop             effectd stop wind""",
)
def _stop(device: complete.DeviceOrAll = None, home: Home = HOME) -> None:
    """Everything off, or one device: by MQTT and straight to the drivers, so it works with a dead broker."""
    from effectd.cli import stop

    raise typer.Exit(stop.run(home, device))


@app.command(
    "hold",
    epilog="""Exit code: 0 all that it concerns is off and held, 1 not, 77 not your home.

effectd hold --reason "cleaning"             effectd hold door --target row-a""",
)
def _hold(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Whose hold it is. Default: your user's.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Receipts say it.")] = "",
    target: complete.Target = None,
    home: Home = HOME,
) -> None:
    """Everything off, until NAME is released, whatever restarts meanwhile. --target may be repeated."""
    from effectd.cli import hold

    raise typer.Exit(hold.run(home, name, reason, target or []))


@app.command("release", epilog="Exit code: 0 every driver here has confirmed it, 1 not, 77 not your home.")
def _release(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Whose hold ends. Default: your user's.")] = None,
    home: Home = HOME,
) -> None:
    """End NAME's hold, and show who else holds. Effects refused meanwhile are not made up for."""
    from effectd.cli import hold

    raise typer.Exit(hold.release(home, name))
