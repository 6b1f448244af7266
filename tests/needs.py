"""What a test needs of the machine: without it the test is skipped, with the cure; in CI that is a failure."""

import os
import shutil
from typing import NoReturn

import pytest

_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"  # where Debian has its servers


def need(program: str, package: str) -> str:
    """The path of a program that a Debian package brings."""
    found = shutil.which(program, path=_PATH)
    if found is None:
        cannot(f"{program} is not installed (apt install {package})")
    return found


def cannot(reason: str) -> NoReturn:
    """Skip; in CI fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
