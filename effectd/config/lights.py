"""Which lights share a flash limit: those of a zone, and those of no zone together."""

from collections.abc import Iterator, Mapping

from effectd.config.schema import FLASHING, Device

NO_ZONE = "no zone"


def by_zone(devices: Mapping[str, Device]) -> dict[str, list[str]]:
    """The lights of each zone, and under NO_ZONE those that are in none; those without a limit among them."""
    found: dict[str, list[str]] = {}
    for name, device in devices.items():
        if _is_light(device):
            for zone in device.zones or (NO_ZONE,):
                found.setdefault(zone, []).append(name)
    return found


def sharing(name: str, devices: Mapping[str, Device]) -> int:
    """Among how many lights its zone's flashes are shared: its own and those of the fullest zone that it is in."""
    return max((len(lights) for lights in by_zone(devices).values() if name in lights), default=1)


def unlimited(devices: Mapping[str, Device]) -> Iterator[tuple[str, str]]:
    """Each zone in which a light may flash as asked, and that light."""
    for zone, lights in by_zone(devices).items():
        for name in lights:
            if devices[name].remote or not devices[name].flash_hz:
                yield zone, name


def _is_light(device: Device) -> bool:
    return bool(FLASHING.intersection(device.effects)) or device.flash_hz > 0
