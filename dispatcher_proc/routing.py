"""Which devices an effect goes to, and what it means for each: pure, no clock, no I/O."""

import msgspec

from effectd.base.errors import EffectRefused
from effectd.config.reader import Config
from effectd.config.schema import Device, EffectType
from effectd.messages import location
from effectd.messages.effect import Effect


class Plan(msgspec.Struct, frozen=True):
    """The effect as each device is to get it; `note` goes into the receipt. No device: undeliverable."""

    devices: dict[str, Effect]
    note: str = ""


def plan(effect: Effect, config: Config) -> Plan:
    """Resolve labels to numbers, the type's duration, and the location to devices.

    Every device of the type whose placement matches gets it; where none does, the nearest (least sum of steps on
    MPEG-V's three axes, ties all), and the note says so. Raises EffectRefused naming the field.
    """
    effect_type = config.effects.get(effect.effect_type)
    if effect_type is None:
        raise EffectRefused("effect_type", f"unknown; known are {', '.join(config.effects) or 'none'}")
    resolved = msgspec.structs.replace(
        effect,
        intensity=_number(effect.intensity, effect_type),
        duration=effect_type.duration_ms if effect.duration is None else effect.duration,
    )
    try:
        wanted = location.parse(effect.location)
    except ValueError as error:
        raise EffectRefused("location", str(error)) from None
    able = {name: device for name, device in config.devices.items() if effect.effect_type in device.effects}
    if not able:
        return Plan({}, f"no device of this home does {effect.effect_type}")
    chosen, note = _nearest(wanted, able, effect.location)
    return Plan(dict.fromkeys(chosen, resolved), note)


def _number(intensity: float | str, effect_type: EffectType) -> float:
    if not isinstance(intensity, str):
        return float(intensity)
    if intensity not in effect_type.labels:
        raise EffectRefused("intensity", f"unknown label; known are {', '.join(effect_type.labels)}")
    return float(effect_type.labels[intensity])


def _nearest(wanted: location.Place, able: dict[str, Device], text: str) -> tuple[list[str], str]:
    steps = {name: location.distance(wanted, location.parse(device.location)) for name, device in able.items()}
    least = min(steps.values())
    chosen = [name for name, distance in steps.items() if distance == least]
    return chosen, "" if least == 0 else f"no device at {text}; the nearest took it: {', '.join(chosen)}"
