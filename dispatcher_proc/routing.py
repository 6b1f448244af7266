"""Decides which devices an effect goes to and resolves it for each: pure, no clock, no I/O."""

from collections.abc import Iterable

import msgspec

from effectd.base.errors import EffectRefused
from effectd.base.near import did_you_mean
from effectd.config.reader import Config
from effectd.config.schema import Device, EffectType
from effectd.messages import location
from effectd.messages.effect import Effect


class Plan(msgspec.Struct, frozen=True):
    """The effect as each device will get it; `note` goes into the receipt. No device: undeliverable."""

    devices: dict[str, Effect]
    note: str = ""


def plan(effect: Effect, config: Config) -> Plan:
    """Resolve labels to numbers, the type's duration, the target and the location to devices.

    Every device of the type whose placement matches gets it; where none does, the nearest (least sum of steps on
    MPEG-V's three axes, ties all), and the note says so. A `target` is a bound: nothing outside it is chosen, and
    within it the placement has to match. Raises EffectRefused naming the field.
    """
    resolved = resolve(effect, config)
    chosen, note = choose(effect, config)
    return Plan(dict.fromkeys(chosen, resolved), note)


def resolve(effect: Effect, config: Config) -> Effect:
    """Its label as a number, and its type's duration where it has none. Raises EffectRefused."""
    effect_type = config.effects.get(effect.effect_type)
    if effect_type is None:
        raise EffectRefused("effect_type", _known(effect.effect_type, config.effects, "unknown"))
    resolved = msgspec.structs.replace(
        effect,
        intensity=_number(effect.intensity, effect_type),
        duration=effect_type.duration_ms if effect.duration is None else effect.duration,
    )
    if effect.fade and resolved.intensity and 0 < (resolved.duration or 0) < effect.fade:
        raise EffectRefused("fade", f"{effect.fade} ms is longer than the duration of {resolved.duration} ms")
    return resolved


def choose(effect: Effect, config: Config) -> tuple[list[str], str]:
    """The devices that get it, and the note about the choice for its receipt. Raises EffectRefused."""
    try:
        wanted = location.parse(effect.location)
    except ValueError as error:
        raise EffectRefused("location", str(error)) from None
    able = {name: device for name, device in config.devices.items() if effect.effect_type in device.effects}
    if not able:
        return [], f"no device of this home does {effect.effect_type}"
    if effect.target is not None:
        chosen = [name for name in _targeted(effect.target, config) if name in able]
        if not chosen:
            return [], f"no device in {', '.join(effect.target)} does {effect.effect_type}"
        chosen = [name for name in chosen if not location.distance(wanted, location.parse(able[name].location))]
        note = "" if chosen else f"no device in {', '.join(effect.target)} is at {effect.location}"
        return chosen, note
    return _nearest(wanted, able, effect.location)


def _targeted(target: tuple[str, ...], config: Config) -> list[str]:
    """The devices that the target names, by their ids or their zones, in the order of the configuration."""
    names = config.targets
    if unknown := [name for name in target if name not in names]:
        problem = f"{unknown[0][:64]!r} is neither a device nor a zone"
        raise EffectRefused("target", _known(unknown[0], names, problem))
    wanted = set(target)
    return [name for name, device in config.devices.items() if name in wanted or wanted.intersection(device.zones)]


# what clients of other systems send; a label of the configuration wins
_SWITCH = {"on": 100.0, "true": 100.0, "off": 0.0, "false": 0.0}


def _number(intensity: float | str, effect_type: EffectType) -> float:
    """The percentage of a number or of a label, whose case does not matter."""
    if not isinstance(intensity, str):
        return float(intensity)
    labels = _SWITCH | {label.lower(): float(percent) for label, percent in effect_type.labels.items()}
    if intensity.lower() not in labels:
        raise EffectRefused("intensity", _known(intensity, [*effect_type.labels, "on"], "unknown label"))
    return labels[intensity.lower()]


def _known(word: str, known: Iterable[str], problem: str) -> str:
    """The problem, what is known instead, and what was probably meant."""
    names = list(known)
    return f"{problem}; known are {', '.join(names) or 'none'}{did_you_mean(word, names)}"


def _nearest(wanted: location.Place, able: dict[str, Device], text: str) -> tuple[list[str], str]:
    steps = {name: location.distance(wanted, location.parse(device.location)) for name, device in able.items()}
    least = min(steps.values())
    chosen = [name for name, distance in steps.items() if distance == least]
    return chosen, "" if least == 0 else f"no device at {text}; the nearest took it: {', '.join(chosen)}"
