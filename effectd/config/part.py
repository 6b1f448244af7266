"""The part of config.yaml that one program uses: computes it, its hash, and the keys in which two parts differ.

Passwords, users, certificates' contents and the environment are in no part: programs read them when they need them.
"""

import hashlib
import json
from typing import Any

import msgspec

from effectd.config import lights, programs
from effectd.config.reader import Config
from effectd.config.schema import Device

Part = dict[str, Any]

_NOT_IN_IT = ("external", "users", "insecure")  # of an embedded broker: not used, or reloaded at once
_NO_CONTENT = ("home", "errors", "file", "supervision", "dispatcher")  # of a Config: in no part by default
# what the dispatcher asks of a device, beside what `_for_dispatcher` adds
_ROUTED = ("effects", "location", "zones", "delay_ms")


def of(tree: Config, name: str) -> Part:
    """The part of the program `name`, as plain JSON. Raises ConfigError as `tree.device` does."""
    row = programs.of(name)
    if row is programs.DEVICE and (bus := tree.bus(name)) is not None:
        on_it = {device: _on_a_bus(tree.devices[device]) | _shared(tree, device) for device in tree.devices_of(name)}
        part = {**_fields(bus), "devices": on_it, "broker": _way(tree)}
    elif row is programs.DEVICE:
        part = {**_driven(tree.device(name)), **_shared(tree, name), "broker": _way(tree)}
    elif row.name == programs.BROKER:
        part = {"dispatcher": tree.dispatcher, "broker": _broker(tree)}
    elif row.name == programs.BUTTONS:
        part = {"buttons": tree.buttons, "programs": tree.programs, "broker": _way(tree)}
    elif row.name == programs.PAGE:
        shown = {"devices": tree.devices, "effects": tree.effects, "programs": tree.programs}
        part = {"page": tree.page, **shown, "broker": _way(tree)}
    elif row.name == programs.DISPATCHER:
        devices = {device: _for_dispatcher(found) for device, found in tree.devices.items()}
        others = {"timelines": tree.timelines, "home_assistant": tree.home_assistant}
        part = {"devices": devices, "effects": tree.effects, **others, "broker": _way(tree)}
    else:  # an unknown program may read anything
        whole = {key: value for key, value in _fields(tree).items() if key not in _NO_CONTENT}
        part = {**whole, "broker": _way(tree)}
    plain: Part = json.loads(_text({"topic_root": tree.topic_root, **part}), parse_float=_number)
    return plain


def connection(tree: Config) -> Part:
    """The keys of it that no program can reload while it is connected."""
    return {"topic_root": tree.topic_root, "broker": _way(tree)}


def digest(part: Part) -> str:
    """12 hex digits over a part; the order of keys does not matter."""
    return hashlib.sha256(_text(part).encode()).hexdigest()[:12]


def differences(old: Any, new: Any, above: str = "") -> list[str]:
    """The keys that have another value, or are on one side only: `limits.max_on_ms`."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if _text(old) == _text(new) else [above]
    found = list[str]()
    for key in [*old, *(key for key in new if key not in old)]:
        path = f"{above}.{key}" if above else key
        if key in old and key in new:
            found += differences(old[key], new[key], path)
        else:
            found.append(path)
    return found


def _number(text: str) -> float:
    """60 and 60.0 are the same: a default may be written as one, the value that was read as the other."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _text(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value, enc_hook=str), sort_keys=True, default=str)


def _fields(struct: msgspec.Struct) -> Part:
    return {key: getattr(struct, key) for key in struct.__struct_fields__}


def _broker(tree: Config) -> Part:
    """The broker program's part."""
    if not tree.broker.embedded:
        return _way(tree)
    return {key: value for key, value in _fields(tree.broker).items() if key not in _NOT_IN_IT}


def _way(tree: Config) -> Part:
    """How the other programs reach the broker; the embedded one by its socket, independent of its port."""
    if tree.broker.embedded:
        return {"embedded": True}
    return {"embedded": False, "external": tree.broker.external}


def _shared(tree: Config, name: str) -> Part:
    """The zones whose lights may rise together: a light more than flashes per second affects the others, too."""
    found = lights.zones(name, tree.devices) if tree.devices[name].flash_hz else {}
    crowded = sorted(zone for zone, together in found.items() if together)
    return {"lights_rise_together_in": crowded} if crowded else {}


def _driven(device: Device) -> Part:
    """What its driver uses; `delay_ms` and the like, for timelines, are in the dispatcher's part."""
    return {key: value for key, value in _fields(device).items() if key != "delay_ms"}


def _on_a_bus(device: Device) -> Part:
    """Without its kind, which stands at the bus."""
    return {key: value for key, value in _driven(device).items() if key != "kind"}


def _for_dispatcher(device: Device) -> Part:
    part: Part = {key: getattr(device, key) for key in _ROUTED}
    part["limits"] = {"max_apply_ms": device.limits.max_apply_ms}
    if device.bus:
        part["bus"] = device.bus
    if device.remote:
        part |= {"kind": device.kind, "options": {"ack": device.acks}}
    return part
