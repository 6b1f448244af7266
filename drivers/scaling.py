"""Scales an effect for one device: clamps it to the limits, then maps it onto the device's useful range."""

import msgspec

from effectd.config.schema import Device
from effectd.messages.effect import Effect


def limited(effect: Effect, device: Device) -> Effect:
    """The effect as the state shows it: on the scale of effects, clamped by the limits."""
    return effect.clamped(device.limits.max_intensity, device.limits.max_on_ms)


def shaped(effect: Effect, device: Device) -> Effect:
    """The effect as the driver gets it: percent of the device's own range.

    0 stays 0 (off); above it, intensity i becomes low + (high - low) * (i / 100) ** curve.
    """
    low, high = device.range
    intensity = float(effect.intensity)
    if not intensity or (low, high, device.curve) == (0, 100, 1):
        return effect
    level = low + (high - low) * (intensity / 100) ** device.curve
    return msgspec.structs.replace(effect, intensity=round(level, 4))


def shown(level: Effect | None, device: Device) -> Effect | None:
    """What the driver is to bring out of a level; None = off."""
    return shaped(level, device) if level is not None and level.intensity else None
