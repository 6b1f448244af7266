"""Arguments that a shell completes behind Tab: devices, effect types, labels, kinds that are there. It never fails."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer


def devices(ctx: typer.Context, incomplete: str) -> list[str]:
    tree = _tree(ctx)
    return _beginning(incomplete, tree.devices if tree else ())


def buses(ctx: typer.Context, incomplete: str) -> list[str]:
    tree = _tree(ctx)
    return _beginning(incomplete, tree.buses if tree else ())


def targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Devices and zones."""
    tree = _tree(ctx)
    zones = sorted({zone for each in tree.devices.values() for zone in each.zones}) if tree else []
    return _beginning(incomplete, [*tree.devices, *zones] if tree else ())


def programs(ctx: typer.Context, incomplete: str) -> list[str]:
    tree = _tree(ctx)
    return _beginning(incomplete, tree.programs if tree else ())


def effect_types(ctx: typer.Context, incomplete: str) -> list[str]:
    tree = _tree(ctx)
    return _beginning(incomplete, tree.effects if tree else ())


def intensities(ctx: typer.Context, incomplete: str) -> list[str]:
    """The labels of the type that stands before."""
    tree = _tree(ctx)
    known = tree.effects.get(ctx.params.get("effect_type")) if tree else None
    return _beginning(incomplete, known.labels if known else ())


def kinds(incomplete: str) -> list[str]:
    from drivers import kinds as drivers  # slow

    return _beginning(incomplete, drivers.known())


def _beginning(incomplete: str, known: Iterable[str]) -> list[str]:
    return [each for each in known if each.startswith(incomplete)]


def _tree(ctx: typer.Context) -> Any:
    from effectd.config import reader

    given = [each.params.get("home") for each in (ctx, ctx.parent) if each is not None]
    try:
        return reader.load(reader.find_home(next(filter(None, given), None)))
    except Exception:  # noqa: BLE001 - there is no good place for an error while somebody types
        return None


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
