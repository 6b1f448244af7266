"""Hashes of what supervisord reads only at its start: its code, and its own sections of supervisor.conf."""

import configparser
import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("base", "config", "messages", "program", "readiness", "supervision")


def installed() -> str:
    """Hash of the code on the disk now; "" if it cannot be read."""
    found = hashlib.sha256()
    try:
        for package in _PACKAGES:
            for path in sorted((_ROOT / package).glob("*.py")):
                found.update(f"{package}/{path.name}\0".encode() + path.read_bytes())
    except OSError:
        return ""
    return found.hexdigest()[:12]


AT_START = installed()


def own_sections(path: Path) -> str:
    """Hash of what supervisor.conf says of supervisord itself, its socket and its plugins; "" if it cannot be read."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    try:
        parser.read_string(path.read_text())
    except (OSError, UnicodeDecodeError, configparser.Error):
        return ""
    ours = {
        section: sorted(parser.items(section))
        for section in sorted(parser.sections())
        if section.partition(":")[0] in ("supervisord", "unix_http_server", "inet_http_server", "rpcinterface")
    }
    return hashlib.sha256(repr(ours).encode()).hexdigest()[:12]
