"""The only reader of config.yaml and the environment: one frozen tree, every error with its file, line and key.

Section 5 of the contract says what may stand there. An error in one device's section is kept beside the tree
(`Config.errors`), so that it stops that device only; every other error raises ConfigError at once.
"""

import hashlib
import os
import re
import socket
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from effectd.base.errors import ConfigError
from effectd.config import bounds, programs, run_folder
from effectd.config.schema import Address, Broker, Device, EffectType, HomeAddress, Percent, RemoteOptions, Supervision
from effectd.config.yamlfile import Path_, YamlFile
from effectd.messages import location, topics

FILE = "config.yaml"
SUPERVISOR_FILE = "supervisor.conf"
BROKER_SOCKET = "broker.sock"  # in run/
STANDARD_LABELS: dict[str, float] = {"off": 0, "low": 25, "medium": 50, "high": 100}
SUN_PATH = 107  # bytes of a UNIX socket's path on Linux, sockaddr_un.sun_path less its NUL (unix(7))


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    topic_root: str = ""
    dispatcher: bool = True
    broker: dict[str, Any] = {}
    devices: dict[str, Any] = {}
    effects: dict[str, Any] = {}
    supervision: Supervision = Supervision()


class Config(Struct, frozen=True):
    """The configuration of one home, whole and checked."""

    home: Path
    topic_root: str
    broker: Broker
    devices: dict[str, Device]
    effects: dict[str, EffectType]
    errors: tuple[ConfigError, ...]
    supervision: Supervision = Supervision()
    dispatcher: bool = True  # false: drivers only; the dispatcher is another home's, under the same topic_root
    file: Any = None  # the YamlFile, for the line of a device's options

    @property
    def topics(self) -> topics.Topics:
        return topics.Topics(self.topic_root)

    @property
    def address(self) -> Address:
        """How this home's own programs reach its broker: the embedded one by its socket, so that they need no port."""
        where = self.broker.address
        if not self.broker.embedded:
            return where
        return HomeAddress(host=where.host, port=where.port, path=str(self.home / "run" / BROKER_SOCKET))

    @property
    def programs(self) -> list[str]:
        """The programs of this home, in the order in which effects need them."""
        own = [name for name, device in self.devices.items() if not device.remote]
        return [*programs.named(self), *own]

    def client_id(self, name: str) -> str:
        """An MQTT client id that no other home uses: two homes may share a broker."""
        return f"effectd-{home_id(self.home)}-{name}"

    def device(self, name: str) -> Device:
        """The device `name`. Raises ConfigError where its section is missing or wrong."""
        for error in self.errors:
            if error.device == name:
                raise error
        if name not in self.devices:
            known = ", ".join(self.devices) or "none"
            raise ConfigError(
                self.home / FILE, self.file.line("devices"), f"devices.{name}", f"missing; known: {known}"
            )
        return self.devices[name]

    def option_error(self, device: str, path: Path_, problem: str) -> ConfigError:
        """A driver's complaint about its options, at their line."""
        error: ConfigError = self.file.error(("devices", device, *path), problem, device=device)
        return error


def home_id(home: Path) -> str:
    """8 hex digits that tell this home from any other, on this machine or on another."""
    return hashlib.sha256(f"{socket.gethostname()}:{home.resolve()}".encode()).hexdigest()[:8]


def find_home(given: Path | None) -> Path:
    """`--home`, else EFFECTD_HOME, else the current folder. Raises ConfigError where no home is there."""
    home = (given or Path(os.environ.get("EFFECTD_HOME") or ".")).resolve()
    try:
        there = (home / FILE).is_file()
    except PermissionError:
        run_folder.check(home)
        raise ConfigError(home, 1, "", "you may not look into this folder") from None
    if not there:
        raise ConfigError(home / FILE, 1, "", "no home here: there is no config.yaml; give --home DIR or EFFECTD_HOME")
    check_path(home)
    return home


def check_path(home: Path) -> None:
    """Raises ConfigError where supervisor cannot read such a path, or a gate's there is too long for a UNIX socket."""
    if unfit := re.search(r'[%"\\]', str(home)):
        raise ConfigError(
            home, 1, "home", f"a path with {unfit.group()} cannot be written in {SUPERVISOR_FILE}; rename it"
        )
    longest = len(os.fsencode(home / "run" / ("x" * 32 + ".gate.new")))
    if longest > SUN_PATH:
        raise ConfigError(
            home,
            1,
            "home",
            f"path too long for a UNIX socket by {longest - SUN_PATH} bytes; move the home to a shorter path",
        )


def load(home: Path, text: bytes | None = None) -> Config:
    """Read config.yaml, or `text` in its place. Raises ConfigError for whatever concerns more than one device."""
    file = YamlFile(home / FILE, text)
    data = {} if file.data is None else file.data
    if not isinstance(data, dict):
        raise file.error((), "the file must be a mapping of " + ", ".join(_File.__struct_fields__))
    # a section with nothing under it is one that is not there
    top: _File = _convert(file, (), {key: value for key, value in data.items() if value is not None}, _File)
    if not re.fullmatch(r"[^/+#$\s\0][^+#\s\0]*[^/+#\s\0]|[^/+#$\s\0]|", top.topic_root) or len(top.topic_root) > 100:
        raise file.error(
            ("topic_root",), "at most 100 characters without + # or blanks, no slash at its ends, no leading $"
        )
    broker: Broker = _convert(file, ("broker",), top.broker, Broker)
    if not broker.embedded and broker.external is None:
        raise file.error(("broker", "embedded"), "false needs broker.external: {host, port}")
    effects = {name: _effect_type(file, name, raw) for name, raw in top.effects.items()}
    devices, errors = dict[str, Device](), list[ConfigError]()
    for name, raw in top.devices.items():
        try:
            devices[name] = _device(file, name, raw, effects, top.devices)
        except ConfigError as error:
            errors.append(error)
    return Config(home, top.topic_root, broker, devices, effects, tuple(errors), top.supervision, top.dispatcher, file)


def _effect_type(file: YamlFile, name: str, raw: Any) -> EffectType:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise file.error(("effects", name), "a name of at most 64 letters, digits, _ . -")
    if isinstance(raw, dict) and isinstance(raw.get("labels"), dict):
        for label, percent in raw["labels"].items():  # one by one: msgspec does not say which value of a dict is wrong
            _convert(file, ("effects", name, "labels", label), percent, Percent)
    effect_type: EffectType = _convert(file, ("effects", name), {} if raw is None else raw, EffectType)
    return EffectType({**STANDARD_LABELS, **effect_type.labels}, effect_type.duration_ms)


def _device(file: YamlFile, name: str, raw: Any, effects: dict[str, EffectType], names: Container[str]) -> Device:
    """`names`: of all devices, with which zones share one set."""
    path = ("devices", name)
    if not programs.is_device(name):
        raise file.error(path, "a device id is " + programs.id_rule(), device=name)
    try:
        device: Device = _convert(file, path, raw, Device)
        if device.remote:
            _convert(file, (*path, "options"), device.options, RemoteOptions)
    except ConfigError as error:
        error.device = name
        raise
    for effect in device.effects:
        if effect not in effects:
            known = ", ".join(effects) or "none"
            raise file.error((*path, "effects"), f"{effect!r} is no key of effects: (known: {known})", device=name)
    for key in ("range", "curve", "dry_run"):
        if device.remote and key in raw:
            raise file.error((*path, key), "its driver does this: set it in the home in which that runs", device=name)
    for zone in device.zones:
        if not programs.is_device(zone):
            raise file.error((*path, "zones"), f"{zone[:40]!r}: a zone's name is {programs.id_rule()}", device=name)
        if zone in names:
            problem = f"{zone!r} is a device; devices and zones share one set of names"
            raise file.error((*path, "zones"), problem, device=name)
    bounds.check(file, name, device, raw)
    if device.range[0] >= device.range[1]:
        raise file.error((*path, "range"), "[low, high] in percent, low below high", device=name)
    try:
        location.parse(device.location)
    except ValueError as error:
        raise file.error((*path, "location"), str(error), device=name) from None
    return device


def _convert(file: YamlFile, path: Path_, raw: Any, kind: Any) -> Any:
    """`raw`, found at `path`, as a `kind`; msgspec's complaint becomes one line with the key and its line."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise file.error((*path, *where(error)), what(error, kind)) from None


def where(error: msgspec.ValidationError) -> list[str]:
    """The keys below, from msgspec's "... - at `$.limits.max_on_ms`", and an unknown key itself."""
    rule, _, path = str(error).rpartition(" - at `$")
    keys = re.findall(r"\.([^.\[\]`]+)", path) if rule else []
    unknown = re.search(r"unknown field `(.*)`", rule or path)
    return [*keys, unknown.group(1)] if unknown else keys


def what(error: msgspec.ValidationError, kind: type[Any]) -> str:
    """What is wrong and what is allowed, without msgspec's path."""
    rule = str(error).rpartition(" - at `$")[0] or str(error)
    if "unknown field" in rule:
        return "unknown key; allowed here are " + ", ".join(_allowed(kind, where(error)[:-1]))
    return rule.replace("`", "")


def _allowed(kind: Any, keys: list[str]) -> list[str]:
    """The keys of the struct that stands at `keys` below the struct `kind`."""
    for key in keys:
        below = [field for struct in _structs(kind) for field in msgspec.structs.fields(struct)]
        kind = next(field.type for field in below if field.encode_name == key)
    return [key for struct in _structs(kind) for key in struct.__struct_encode_fields__]


def _structs(kind: Any) -> Iterator[type[Struct]]:
    """`kind` itself where it is a struct, else those within its Optional, Annotated, list[...] and the like."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
    for part in get_args(kind):
        yield from _structs(part)
