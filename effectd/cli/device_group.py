"""`effectd device ...`: each command with its options and examples; the code is in device and device_change."""

from typing import Annotated

import typer

from effectd.cli import complete
from effectd.cli.options import HOME, Home

group = typer.Typer(no_args_is_help=True, help="The devices of this home.")


@group.command(
    "add",
    epilog="""Exit code: 0 it is there (and ready, where supervisord runs), 3 not ready within 15 s,
78 it cannot be a device here (nothing was changed).

effectd device add fan --kind virtual --effect wind --location left

effectd device add strip --kind mqtt --effect light --option topic=wled/strip --option 'scale=\\[0, 255]'

effectd device add right --bus board --effect wind --option index=2""",
)
def _device_add(  # noqa: PLR0917 - typer passes them by name
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id: 1 to 32 of a-z 0-9 -.")],
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            autocompletion=complete.kinds,
            help="virtual, mqtt, serial, gpio, http, remote, or your own driver's module.",
        ),
    ] = None,
    bus: Annotated[
        str | None,
        typer.Option(metavar="BUS", autocompletion=complete.buses, help="In place of --kind: a key of buses:."),
    ] = None,
    effect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE",
            autocompletion=complete.effect_types,
            help="Default: what the driver can do; a new one is made.",
        ),
    ] = None,
    location: Annotated[str | None, typer.Option(metavar="PLACE", help="Such as left:middle:front.")] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="K=V", help="The driver's; V as in config.yaml.")] = None,
    home: Home = HOME,
) -> None:
    """Add a device to both files and start it; nothing else is touched. --effect and --option may be repeated."""
    from effectd.cli import arguments, device

    if (kind is None) == (bus is None):
        raise typer.BadParameter("give either --kind or --bus")
    pairs = [arguments.pair(text, "--option") for text in option or []]
    wanted = device.Wanted(name, device.Driven(kind, bus), effect or [], location, pairs)
    raise typer.Exit(device.add(home, wanted))


@group.command("list", epilog="Exit code: 0, 78 config.yaml cannot be read.")
def _list(home: Home = HOME) -> None:
    """A row per device: its kind, effects, place, and the state of its program."""
    from effectd.cli import device_change

    raise typer.Exit(device_change.show(home))


@group.command(
    "remove",
    epilog="Exit code: 0 it is gone, 78 there is no such device (nothing was changed), 77 another user's home.",
)
def _remove(name: complete.Device, home: Home = HOME) -> None:
    """Take a device out of both files: it goes off, its program ends. Comments stay, nothing else is touched."""
    from effectd.cli import device_change

    raise typer.Exit(device_change.remove(home, name))


@group.command(
    "set",
    epilog="""Exit code: 0 in force, 3 not ready within 15 s, 78 not possible (nothing was changed).

effectd device set wind limits.max_on_ms=20000 location=left:front

effectd device set wind location=             back to its default""",
)
def _set(
    name: complete.Device,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="VALUE as in config.yaml.")],
    home: Home = HOME,
) -> None:
    """Change keys of a device, in force at once. Comments stay, no other program is touched."""
    from effectd.cli import arguments, device_change

    raise typer.Exit(device_change.set_(home, name, [arguments.pair(text, "KEY=VALUE") for text in pairs]))
