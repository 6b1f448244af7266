"""The ways in which something can be wrong, each with what to do next."""

from pathlib import Path


class ConfigError(Exception):
    """The configuration is wrong: mend the named line; the process exits with 78 (EX_CONFIG of sysexits.h).

    Printed as `FILE:LINE: KEY: what is wrong and what is allowed`. `device` is the device whose section is wrong,
    or None where the error concerns every program.
    """

    def __init__(self, file: Path | str, line: int, key: str, problem: str, *, device: str | None = None) -> None:
        super().__init__(f"{file}:{line}: {key}: {problem}" if key else f"{file}:{line}: {problem}")
        self.key, self.problem, self.device = key, problem, device


class NotYours(Exception):
    """A folder of the home belongs to another user: run the command as that user; the process exits with 77."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(f"{folder} belongs to {owner}: run this as {owner}")


class EffectRefused(Exception):
    """The publisher asked for what is not allowed: it is told the field and the rule; nothing else changes."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule = field, rule


class EffectMalformed(Exception):
    """The bytes are no effect at all (not UTF-8 JSON, too large, too deep): a dead letter, no receipt."""


class BrokerLost(Exception):
    """There is no connection to the broker now: hold what you have and wait for it; never exit because of this."""


class DeviceFailed(Exception):
    """The device did not do it: the host says so to the publisher, opens the device again, and goes on."""
