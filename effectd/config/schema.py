"""The schema of config.yaml, key by key: names, types, ranges and defaults (section 5 of the contract)."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from effectd.config.address import Address, External, Port, Tls, check_host
from effectd.messages.topics import FIRST

Percent = Annotated[float, Meta(ge=0, le=100)]

Count = Annotated[int, Meta(ge=1)]


class BrokerLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of the embedded broker's clients; what exceeds them is refused or dropped, counted and logged."""

    packet_bytes: Annotated[int, Meta(ge=65_536, le=268_435_455)] = 4_259_840  # one packet: a timeline and its topic
    connections: Count = 1000
    unread_bytes: Annotated[int, Meta(ge=65_536)] = 16_777_216  # one client: not read; and, apart, not acknowledged
    unacked: Annotated[int, Meta(ge=1, le=65_535)] = 10_000  # one client: messages not acknowledged, or kept for it
    session_bytes: Count = 1_048_576  # one client that is away: what is kept for it
    sessions: Count = 100  # kept for clients that are away
    session_expiry_s: Annotated[int, Meta(ge=0, le=0xFFFFFFFE)] = 3600
    retained: Count = 10_000
    retained_bytes: Count = 16_777_216
    topic_levels: Count = 32
    inflight: Annotated[int, Meta(ge=1, le=65_535)] = 100  # one client: messages of QoS 2 that are not released
    subscriptions: Count = 1000  # one client
    buffered_bytes: Count = 134_217_728  # all clients together: unread, unacknowledged, half received


class WebSocket(Struct, frozen=True, forbid_unknown_fields=True):
    """The same broker for browsers. `origins`: pages beside those of this machine that may connect."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 9001
    path: Annotated[str, Meta(pattern="^/")] = "/mqtt"
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_host(self.host, brackets=True)


class User(Struct, frozen=True, forbid_unknown_fields=True):
    """What a user may do; `publish` and `subscribe` are filters as on the wire. The password is in `passwords`."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    device: str | None = None  # a `kind: remote` device that this user acts for
    devices: tuple[str, ...] = ()
    operate: bool = False  # may restart, read logs and send dead letters again on the page

    @property
    def acts_for(self) -> tuple[str, ...]:
        return (*self.devices, self.device) if self.device is not None else self.devices


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    embedded: bool = True
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 1883
    external: External | None = None
    tls: Tls | None = None  # the embedded broker's own files: then `port`, and the WebSocket, speak TLS
    websocket: WebSocket | None = None
    insecure: bool = False  # true: beyond loopback without TLS, passwords in the clear
    users: dict[str, User] = {}  # none: any client that reaches the port may connect
    plugins: dict[str, dict[str, Any] | None] = {}  # amqtt's
    limits: BrokerLimits = BrokerLimits()
    sys_interval_s: Annotated[float, Meta(ge=0)] = 10

    def __post_init__(self) -> None:
        check_host(self.host, brackets=True)
        if self.websocket is not None and self.websocket.port == self.port:
            raise ValueError(f"websocket: port {self.port} is the broker's own port; give it another one")

    @property
    def nodes(self) -> tuple[Address, ...]:
        """Where others reach the broker that this home uses: any of these will do."""
        if not self.embedded and self.external:
            return self.external.nodes
        return (Address(host=self.host.strip("[]"), port=self.port),)

    @property
    def address(self) -> Address:
        """The first of its nodes, and mostly the only one."""
        return self.nodes[0]

    def node(self, said: str | None) -> Address:
        """The node that the broker program has chosen; the first one if it names none."""
        host, _, port = (said or "").rpartition(":")
        if self.embedded or self.external is None or not port.isdecimal():
            return self.address
        return self.external.at(host, int(port))


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the program `page` serves its page and HTTP. `names`: of hosts by which it may be called, too."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 8090
    names: tuple[str, ...] = ()
    tls: Tls | None = None
    insecure: bool = False  # true: beyond loopback without TLS, passwords in the clear

    def __post_init__(self) -> None:
        check_host(self.host, brackets=True)


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """On for at most `on_ms` in any window of `window_ms`, however many effects ask for it."""

    on_ms: Annotated[int, Meta(ge=1)]
    window_ms: Annotated[int, Meta(ge=2, le=86_400_000)]


FLASHING = frozenset({"light", "flash"})  # the effect types whose devices have a flash limit unless it is set to 0
FLASH_HZ = 3.0  # WCAG 2.3.1


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What the user allows, for any effect: percent, ms, changes a second, ms."""

    max_intensity: Percent = 100
    max_on_ms: Annotated[int, Meta(ge=1)] = 60000
    max_rate_hz: Annotated[float, Meta(gt=0, le=1000)] = 60
    max_apply_ms: Annotated[int, Meta(ge=1, le=600_000)] = 5000
    budget: Budget | None = None
    min_off_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0
    max_flash_hz: Annotated[float, Meta(ge=0, le=100)] | None = None  # 0 = as asked; None: `Device.flash_hz`


class Bus(Struct, frozen=True, forbid_unknown_fields=True):
    """One process and one open connection for several devices. `options` belong to its driver, as a device's do."""

    kind: Annotated[str, Meta(min_length=1)]
    dry_run: bool = False  # true: never opened, never touched; what would leave for it is logged
    options: dict[str, Any] = {}


class Delay(Struct, frozen=True, forbid_unknown_fields=True):
    """How long an actuator needs until it is felt (ms): a fan rises slowly and falls faster."""

    up: Annotated[int, Meta(ge=0, le=60_000)] = 0
    down: Annotated[int, Meta(ge=0, le=60_000)] = 0


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """One actuator. `options` belong to the driver, which decodes them itself."""

    kind: Annotated[str, Meta(min_length=1)]  # with `bus` in its place it is the bus's
    effects: Annotated[tuple[str, ...], Meta(min_length=1)]
    location: str = "everywhere"
    zones: tuple[str, ...] = ()  # user-defined groups of devices, for `target`
    delay_ms: Annotated[int, Meta(ge=0, le=60_000)] | Delay = 0  # until it is felt; timelines send so much earlier
    limits: Limits = Limits()
    range: tuple[Percent, Percent] = (0, 100)  # the device's own useful percents, for intensities above 0 to 100
    curve: Annotated[float, Meta(ge=0.1, le=10)] = 1.0  # gamma: 1 is linear
    dry_run: bool = False  # true: never opened, never touched; what would leave for it is logged
    options: dict[str, Any] = {}
    bus: Annotated[str, Meta(min_length=1)] | None = None  # a key of `buses:`: its process drives this device too

    @property
    def remote(self) -> bool:
        """Its driver runs elsewhere, not as a program of this home."""
        return self.kind == "remote"

    @property
    def flash_hz(self) -> float:
        """How often it may rise in a second, together with the other lights of its zone; 0 = as asked."""
        if self.limits.max_flash_hz is not None:
            return self.limits.max_flash_hz
        return FLASH_HZ if FLASHING.intersection(self.effects) else 0.0

    @property
    def acks(self) -> bool:
        """Whether its driver acknowledges effects; a microcontroller that only knows `set` does not."""
        return not self.remote or bool(self.options.get("ack", True))


class Button(Struct, frozen=True, forbid_unknown_fields=True):
    """A button or contact on a pin, between it and ground (or 3.3 V: `pull_up: false`), that holds under its name."""

    pin: int | str  # BCM number, or a name that gpiozero knows: GPIO17, BOARD11
    hold: bool = True  # a press holds until somebody releases it; false: it is a stop
    contact: bool = False  # holds while it is pressed: a door, the spare contact of an emergency stop
    normally_closed: bool = False  # pressed means open, so that a broken wire holds
    pull_up: bool = True
    bounce_ms: Annotated[int, Meta(ge=0, le=1000)] = 10
    reason: str = "pressed"
    target: tuple[str, ...] = ()  # ids of devices and zones; () = everything


class RemoteOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """`ack: false`: an effect is sent once and is done when the broker has it, `unconfirmed`."""

    ack: bool = True


class EffectType(Struct, frozen=True, forbid_unknown_fields=True):
    """What one effect type's labels mean (percent), and how long it lasts where the publisher does not say (ms)."""

    labels: dict[str, Percent] = {}
    duration_ms: Annotated[int, Meta(ge=0)] = 1000


class ArtNetClock(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="artnet"):
    """Art-Net timecode moves a timeline, whose start is at `offset`."""

    timeline: str
    host: str = "0.0.0.0"
    port: Port = 6454
    offset: Annotated[str, Meta(pattern=r"^([01]?\d|2[0-3]):[0-5]\d:[0-5]\d(:([01]\d|2[0-4]))?$")] = "00:00:00:00"


class MpvClock(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mpv"):
    """A film in mpv moves a timeline; `socket` is its --input-ipc-server."""

    timeline: str
    socket: Annotated[str, Meta(min_length=1, max_length=107)]


class Timelines(Struct, frozen=True, forbid_unknown_fields=True):
    clock: ArtNetClock | MpvClock | None = None


class HomeAssistant(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether devices are announced to Home Assistant, and under which discovery prefix."""

    discovery: bool = False
    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=100)] = "homeassistant"

    def __post_init__(self) -> None:
        if self.prefix.partition("/")[0] in FIRST:
            raise ValueError(
                f"prefix: {self.prefix!r} has a meaning of its own in effectd; Home Assistant's own is homeassistant"
            )


class Supervision(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a program's gate may be silent before the watchdog kills it (ms)."""

    hung_after_ms: Annotated[int, Meta(ge=1000, le=600_000)] = 2000
