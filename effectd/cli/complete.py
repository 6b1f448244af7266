"""Shell completion of arguments: devices, effect types, labels, kinds. It never fails."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from effectd.config.reader import Config


def _of(pick: Callable[["Config", typer.Context], Iterable[str]]) -> Callable[[typer.Context, str], list[str]]:
    """Completes by what `pick` finds in this home's configuration."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from effectd.config import reader

        given = [each.params.get("home") for each in (ctx, ctx.parent) if each is not None]
        try:
            tree = reader.load(reader.find_home(next(filter(None, given), None)))
            return [each for each in pick(tree, ctx) if each.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - there is no good place for an error while somebody types
            return []

    return complete


def _labels(tree: "Config", ctx: typer.Context) -> Iterable[str]:
    """Those of the type that stands before."""
    return tree.effects[ctx.params["effect_type"]].labels


def kinds(incomplete: str) -> list[str]:
    from drivers import kinds as drivers  # slow

    return [each for each in drivers.known() if each.startswith(incomplete)]


devices = _of(lambda tree, _: tree.devices)
buses = _of(lambda tree, _: tree.buses)
programs = _of(lambda tree, _: tree.programs)
effect_types = _of(lambda tree, _: tree.effects)
targets = _of(lambda tree, _: tree.targets)
intensities = _of(_labels)

EffectType = Annotated[
    str, typer.Argument(metavar="TYPE", autocompletion=effect_types, help="A key of effects: in config.yaml.")
]
Intensity = Annotated[
    str | None,
    typer.Argument(
        metavar="INTENSITY",
        autocompletion=intensities,
        help="0 to 100, or a label such as off, low, medium, high. Default: 100.",
    ),
]
Target = Annotated[
    list[str] | None, typer.Option(metavar="NAME", autocompletion=targets, help="Only this device or zone.")
]
Device = Annotated[str, typer.Argument(metavar="NAME", autocompletion=devices, help="A device of config.yaml.")]
ProgramOrAll = Annotated[
    str | None, typer.Argument(metavar="NAME", autocompletion=programs, help="A program. Default: all.")
]
DeviceOrAll = Annotated[
    str | None,
    typer.Argument(metavar="DEVICE", autocompletion=devices, help="A device of config.yaml. Default: all."),
]
