"""Checks limits over time: a budget must limit something, and a remote device's limits belong to its own home."""

from typing import Any

from effectd.config.schema import Device
from effectd.config.yamlfile import YamlFile

OVER_TIME = ("budget", "min_off_ms", "max_flash_hz")


def check(file: YamlFile, name: str, device: Device, raw: dict[str, Any]) -> None:
    """Raises ConfigError. `raw`: the device's section as it was read."""
    path = ("devices", name, "limits")
    for key in OVER_TIME if device.remote else ():
        if key in (raw.get("limits") or {}):
            raise file.error((*path, key), "its driver does this: set it in the home in which that runs")
    budget = device.limits.budget
    if budget is not None and budget.on_ms >= budget.window_ms:
        raise file.error((*path, "budget"), "on_ms must be less than window_ms, or nothing is limited")
