"""The part of `effectd check` about users: the file `passwords`, users who cannot log in, an expiring certificate."""

from collections.abc import Iterator
from pathlib import Path

from effectd.access import certificates, passwords
from effectd.base.errors import ConfigError
from effectd.config.reader import Config


def problems(home: Path) -> Iterator[ConfigError]:
    """Errors with which the broker would not start."""
    try:
        passwords.read(home)
    except ConfigError as error:
        yield error


def advice(tree: Config) -> Iterator[str]:
    """Warnings: what works but should be corrected."""
    broker = tree.broker
    if not broker.embedded:
        return
    for name in without_login(tree):
        what = f"has no password, so this user cannot log in: effectd user add {name}"
        yield str(tree.file.error(("broker", "users", name), what))
    if not passwords.is_private(tree.home):
        yield f"others can read {tree.home / passwords.FILE}: chmod 600 {passwords.FILE}"
    certfile = broker.tls.certfile if broker.tls is not None else None
    if certfile is not None and (warning := certificates.warning(tree.home / certfile)):
        yield str(tree.file.error(("broker", "tls", "certfile"), warning))


def without_login(tree: Config) -> list[str]:
    """Users without a password who cannot log in by certificate either."""
    hashes, broker = passwords.read(tree.home), tree.broker
    by_certificate = broker.tls is not None and broker.tls.cafile is not None
    return [] if by_certificate else [name for name in broker.users if name not in hashes]
