"""Exceptions, and how callers handle each."""

import re
from pathlib import Path


class ConfigError(Exception):
    """The configuration is wrong: correct the named line; the process exits with 78 (EX_CONFIG of sysexits.h).

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

    @classmethod
    def by(cls, path: Path) -> "NotYours":
        """With the name of the owner of `path`; raises OSError if it cannot be examined."""
        import pwd

        uid = path.stat().st_uid
        try:
            return cls(path, pwd.getpwuid(uid).pw_name)
        except KeyError:
            return cls(path, f"user {uid}")


class EffectRefused(Exception):
    """The effect breaks a rule: the publisher gets the field and the rule in a receipt; nothing else changes."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule = field, rule


class EffectHeld(EffectRefused):
    """Every device that the effect would reach is held: `why` says by whom."""

    def __init__(self, why: str) -> None:
        super().__init__("", why)
        self.args = (why,)


class EffectMalformed(Exception):
    """The payload is not an effect (not UTF-8 JSON, too large, too deep): a dead letter, no receipt."""


class BrokerLost(Exception):
    """No connection to the broker: keep pending work and wait for it; never exit because of this."""


class DeviceFailed(Exception):
    """The device failed: the host reports it to the publisher, reopens the device and goes on."""


# their text alone says too little: mistakes in a driver, which its author recognises by the class name
_DEFECTS = (LookupError, AttributeError, TypeError, NameError, AssertionError, ArithmeticError, ImportError)


def in_words(error: Exception) -> str:
    """What went wrong, for the person who runs the home: no class names, no errno."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        name = type(error).__name__
        text = f"{name}: {error}" if isinstance(error, _DEFECTS) else str(error) or name
    text = re.sub(r"\[Errno -?[0-9]+\] ", "", text)
    return re.sub(r"(\S+)(: .*): '\1'$", r"\1\2", text)  # pyserial names the port at both ends
