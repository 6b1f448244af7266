"""Queries another program once, without watching it: by a request at its gate, or by its last state file."""

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from effectd.readiness.line import Line

ANSWER_S = 1.0


def part(run: Path, name: str) -> dict[str, Any] | None:
    """The part of the configuration that `name` uses; None: no answer, or a program older than contract 2."""
    found = (ask(run, name, "config") or {}).get("config")
    return found if isinstance(found, dict) else None


def ask(run: Path, name: str, word: str) -> dict[str, Any] | None:
    """The answer of the gate of `name` to `{"do": word}`; None: no answer."""
    end = time.monotonic() + ANSWER_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, contextlib.suppress(OSError, ValueError):
        sock.settimeout(ANSWER_S)
        sock.connect(os.fspath(run / f"{name}.gate"))
        sock.sendall(json.dumps({"do": word}).encode() + b"\n")
        with sock.makefile("rb") as lines:
            while time.monotonic() < end:
                said = json.loads(lines.readline())  # at the end of file there is none: ValueError
                if "done" in said or "error" in said:
                    return said if isinstance(said, dict) else None
    return None


def last_words(run: Path, name: str) -> Line | None:
    """The last line that `name` wrote into its state file: a hint why it ended, never a proof that it lives."""
    try:
        return msgspec.json.decode((run / f"{name}.state").read_bytes(), type=Line)
    except (OSError, msgspec.DecodeError):
        return None
