"""The only reader of config.yaml and the environment: one frozen tree, every error with its file, line and key.

Section 5 of the contract defines the keys. An error in one device's section is kept beside the tree
(`Config.errors`), so that it stops that device only; every other error raises ConfigError at once.
"""

import hashlib
import os
import re
import socket
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from effectd.base.errors import ConfigError
from effectd.base.near import did_you_mean
from effectd.config import devices as sections
from effectd.config import exposure, programs, run_folder
from effectd.config.address import Address, External, HomeAddress
from effectd.config.convert import convert
from effectd.config.schema import (
    Broker,
    Bus,
    Button,
    Device,
    EffectType,
    HomeAssistant,
    Page,
    Supervision,
    Timelines,
    User,
)
from effectd.config.yamlfile import Path_, YamlFile
from effectd.messages import topics

FILE = "config.yaml"
SUPERVISOR_FILE = "supervisor.conf"
BROKER_SOCKET = "broker.sock"  # in run/
SUN_PATH = 107  # bytes of a UNIX socket's path on Linux, sockaddr_un.sun_path less its NUL (unix(7))


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is laid out; mappings of names are read entry by entry."""

    topic_root: str = ""
    dispatcher: bool = True
    broker: dict[str, Any] = {}
    buses: dict[str, Any] = {}
    devices: dict[str, Any] = {}
    effects: dict[str, Any] = {}
    buttons: dict[str, Any] = {}
    supervision: Supervision = Supervision()
    timelines: Timelines = Timelines()
    page: Page | None = None
    home_assistant: HomeAssistant = HomeAssistant()


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
    buses: dict[str, Bus] = {}
    buttons: dict[str, Button] = {}
    timelines: Timelines = Timelines()
    page: Page | None = None  # None: no page in this home
    home_assistant: HomeAssistant = HomeAssistant()
    file: Any = None  # the YamlFile, for the line of a device's options

    @property
    def topics(self) -> topics.Topics:
        return topics.Topics(self.topic_root)

    @property
    def address(self) -> Address:
        """How this home's programs reach its broker: the embedded one by its socket, so that they need no port."""
        return self.address_at(None)

    def address_at(self, said: str | None) -> Address:
        """The same; of a broker with several nodes, the one that the broker program's gate names."""
        where = self.broker.node(said)
        if not self.broker.embedded:
            return where
        path = str(self.home / "run" / BROKER_SOCKET)
        return HomeAddress(host=where.host, port=where.port, path=path, own=self.client_id(""))

    def at_node(self, node: Address) -> "Config":
        """The same, with this node as its only broker."""
        return structs.replace(self, broker=Broker(embedded=False, external=External.of(node)))

    @property
    def programs(self) -> list[str]:
        """The programs of this home, in the order in which effects need them."""
        own = {device.bus or name: None for name, device in self.devices.items() if not device.remote}
        return [*programs.named(self), *own]

    @property
    def targets(self) -> list[str]:
        """What an effect or a hold may be for: the devices, and the names of zones."""
        return [*self.devices, *sorted({zone for device in self.devices.values() for zone in device.zones})]

    def devices_of(self, program: str) -> list[str]:
        """The devices that the driver program `program` drives: those of a bus, or the one of its own name."""
        return [name for name, device in self.devices.items() if not device.remote and program == (device.bus or name)]

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
                self.home / FILE,
                self.file.line("devices"),
                f"devices.{name}",
                f"missing; known: {known}{did_you_mean(name, self.devices)}",
            )
        return self.devices[name]

    def bus(self, name: str) -> Bus | None:
        """The bus `name`; None: there is none. Raises ConfigError where its section is wrong, or no device is on it."""
        if name not in self.buses:
            if (error := next((error for error in self.errors if error.device == name), None)) is not None:
                raise error
            return None
        if not self.devices_of(name):
            raise self.option_error(name, (), f"no device has `bus: {name}`: there is nothing to drive")
        return self.buses[name]

    def option_error(self, name: str, path: Path_, problem: str) -> ConfigError:
        """A driver's error about the section of the device or bus `name`, with its line."""
        section = "buses" if name in self.buses else "devices"
        error: ConfigError = self.file.error((section, name, *path), problem, device=name)
        return error


def home_id(home: Path) -> str:
    """8 hex digits that identify this home among all others, on this and other machines."""
    return hashlib.sha256(f"{socket.gethostname()}:{home.resolve()}".encode()).hexdigest()[:8]


def find_home(given: Path | None) -> Path:
    """`--home`, else EFFECTD_HOME, else the current folder or the nearest above that is one.

    Raises ConfigError where no home is there.
    """
    named = given or os.environ.get("EFFECTD_HOME")
    home = Path(named).resolve() if named else _nearest(Path.cwd().resolve())
    try:
        there = (home / FILE).is_file()
    except PermissionError:
        run_folder.check(home)
        raise ConfigError(home, 1, "", "you may not look into this folder") from None
    if not there:
        raise ConfigError(home / FILE, 1, "", "no home here: there is no config.yaml; give --home DIR or EFFECTD_HOME")
    check_path(home)
    return home


def _nearest(folder: Path) -> Path:
    """`folder`, or the first above it that has both files of a home; a lone config.yaml up there may be anybody's."""
    if not os.access(folder / FILE, os.F_OK):
        for above in folder.parents:
            if os.access(above / FILE, os.F_OK) and os.access(above / SUPERVISOR_FILE, os.F_OK):
                return above
    return folder


def check_path(home: Path) -> None:
    """Raises ConfigError if supervisor cannot read such a path, or a gate's would be too long for a UNIX socket."""
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


def load(home: Path, text: bytes | None = None, *, reach: bool = True) -> Config:
    """Read config.yaml, or `text` in its place. Raises ConfigError for whatever concerns more than one device.

    `reach` false: accept one that is open to the network by mistake, for commands that correct that.
    """
    file = YamlFile(home / FILE, text)
    data = {} if file.data is None else file.data
    if not isinstance(data, dict):
        raise file.error((), "the file must be a mapping of " + ", ".join(Layout.__struct_fields__))
    # a section with nothing under it is one that is not there
    top: Layout = convert(file, (), {key: value for key, value in data.items() if value is not None}, Layout)
    if not re.fullmatch(r"[^/+#$\s\0][^+#\s\0]*[^/+#\s\0]|[^/+#$\s\0]|", top.topic_root) or len(top.topic_root) > 100:
        raise file.error(
            ("topic_root",), "at most 100 characters without + # or blanks, no slash at its ends, no leading $"
        )
    broker: Broker = convert(file, ("broker",), _with_users(file, top.broker), Broker)
    exposure.check(file, broker, top.devices)
    if reach:
        exposure.check_reach(file, broker)
        exposure.check_page(file, top.page, broker)
    if not broker.embedded and broker.external is None:
        raise file.error(("broker", "embedded"), "false needs broker.external: {host, port}, or {hosts}")
    if top.home_assistant.discovery and not top.dispatcher:
        raise file.error(
            ("home_assistant", "discovery"), "the dispatcher announces devices, and here is none: set it in its home"
        )
    effects = {name: sections.effect_type(file, name, raw) for name, raw in top.effects.items()}
    buses, devices, errors = dict[str, Bus](), dict[str, Device](), list[ConfigError]()
    for name, raw in top.buses.items():
        try:
            buses[name] = sections.bus(file, name, raw, top.devices)
        except ConfigError as error:
            error.device = name
            errors.append(error)
    for name, raw in top.devices.items():
        try:
            devices[name] = sections.device(file, name, raw, effects, top.devices, top.buses)
        except ConfigError as error:
            error.device = name
            errors.append(error)
    read: dict[str, Any] = {
        **{"broker": broker, "effects": effects, "buses": buses, "devices": devices},
        "buttons": {name: sections.button(file, name, raw, devices) for name, raw in top.buttons.items()},
    }
    return Config(home, errors=tuple(errors), file=file, **(structs.asdict(top) | read))


def _with_users(file: YamlFile, broker: dict[str, Any]) -> dict[str, Any]:
    """Convert one by one: msgspec does not say which value of a dict is wrong. An empty user has no rights."""
    users = broker.get("users")
    if not isinstance(users, dict):
        return {key: value for key, value in broker.items() if key != "users" or value is not None}
    users = {name: {} if raw is None else raw for name, raw in users.items()}
    for name, raw in users.items():
        convert(file, ("broker", "users", name), raw, User)
    return broker | {"users": users}
