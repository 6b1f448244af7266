"""Groups the lights that share a flash limit: those of each zone, and those without a zone."""

from collections.abc import Iterator, Mapping

from effectd.config.schema import FLASHING, Device

NO_ZONE = "no zone"


def by_zone(devices: Mapping[str, Device]) -> dict[str, list[str]]:
    """The lights of each zone, and under NO_ZONE those without one; including lights without a limit."""
    found: dict[str, list[str]] = {}
    for name, device in devices.items():
        if _is_light(device):
            for zone in device.zones or (NO_ZONE,):
                found.setdefault(zone, []).append(name)
    return found


def zones(name: str, devices: Mapping[str, Device]) -> dict[str, bool]:
    """The zones in which this light shares flashes, and whether each has more lights than flashes per second."""
    most = max(1.0, devices[name].flash_hz)
    return {zone: len(lights) > most for zone, lights in by_zone(devices).items() if name in lights}


def unlimited(devices: Mapping[str, Device]) -> Iterator[tuple[str, str]]:
    """Each zone with a light that has no flash limit, and that light."""
    for zone, lights in by_zone(devices).items():
        for name in lights:
            if devices[name].remote or not devices[name].flash_hz:
                yield zone, name


def _is_light(device: Device) -> bool:
    return bool(FLASHING.intersection(device.effects)) or device.flash_hz > 0
