"""Devices on a serial line: Arduino, ESP, anything that reads lines, also with the sketches of PlaySEM and SER."""

from drivers.serial_code import BAUD, Code, CodeOptions, Protocol, reply
from drivers.serial_port import BOOT_MS, TIMEOUT_MS, Baud, BootMs, Port, TimeoutMs
from effectd.config.address import Address
from effectd.driver import Driver, Effect


class SerialOptions(CodeOptions, kw_only=True):
    port: str
    protocol: Protocol = "line"
    baud: Baud | None = None  # None: the protocol's default
    boot_ms: BootMs = BOOT_MS
    timeout_ms: TimeoutMs = TIMEOUT_MS
    expect: str | None = None  # what a reply must contain; None: the protocol's default, "" = no reply is awaited
    shared: bool = False  # true: other devices of this home may write to the same port; `buses:` does it better

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shared and self.expect:
            raise ValueError("expect: a reply on a shared port may be another device's; leave it out, or shared: false")


class Serial(Driver):
    uses_out = True
    options: SerialOptions

    def __init__(self, device: str, options: SerialOptions, broker: Address) -> None:
        super().__init__(device, options, broker)
        self._code = Code(device, options.protocol, options)
        baud = options.baud or BAUD[options.protocol]
        expect = b"" if options.shared else reply(options.protocol, options.expect)
        self._port = Port(options.port, baud, options.boot_ms, options.timeout_ms, expect, shared=options.shared)

    def claims(self) -> dict[str, bool]:
        port, part = self._port.claim, self._code.part
        return {port: not self.options.shared} | ({f"{port}, {part}": True} if part else {})

    def understands(self) -> set[str]:
        return self._code.parameters

    def open(self) -> None:
        self._port.open()

    def apply(self, effect: Effect) -> None:
        self._send(self._code.of(effect))

    def off(self) -> None:
        self._send(self._code.of(None))

    def check(self) -> None:
        self._port.check()

    def close(self) -> None:
        self._port.close()

    def _send(self, data: bytes) -> None:
        self.out(data, lambda: self._port.write(data))
