"""Another machine, as far as the network goes: a namespace with two links to this one, of which one can be cut."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.needs import cannot
from tests.system.home import Home

TRIES = 5  # others may make some at the same time


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Elsewhere:
    """`near`: this machine's address on the link that can be cut; `aside`: the one on the other link."""

    def __init__(self) -> None:
        number = random.randrange(250)
        self.name = f"effectd{number}"
        self._bridge, self._port, self._side = f"efb{number}", f"efp{number}", f"efs{number}"
        self.near, self.aside = f"10.197.{number}.1", f"10.198.{number}.1"

    def make(self) -> None:
        inside = ("-n", self.name)
        _ip("link", "add", self._bridge, "type", "bridge")
        for link in (self._port, self._side):
            _ip("link", "add", link, "type", "veth", "peer", "name", f"{link}i", "netns", self.name)
        self.heal()
        for link, address in ((self._bridge, self.near), (self._side, self.aside)):
            _ip("addr", "add", f"{address}/24", "dev", link)
        for link, address in ((self._port, self.near), (self._side, self.aside)):
            _ip(*inside, "addr", "add", f"{address.removesuffix('.1')}.2/24", "dev", f"{link}i")
            _ip(*inside, "link", "set", f"{link}i", "up")
        _ip(*inside, "link", "set", "lo", "up")
        for link in (self._bridge, self._port, self._side):
            _ip("link", "set", link, "up")

    def cut(self) -> None:
        """Nothing passes, in either direction, and nobody is told."""
        _ip("link", "set", self._port, "nomaster")

    def heal(self) -> None:
        _ip("link", "set", self._port, "master", self._bridge)

    def remove(self) -> None:
        for arguments in (("netns", "del", self.name), ("link", "del", self._bridge), ("link", "del", self._side)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(*arguments)


class FarHome(Home):
    """A home whose programs all live in the namespace."""

    def __init__(self, elsewhere: Elsewhere, devices: dict[str, Any], **top: Any) -> None:
        self._prefix = ["ip", "netns", "exec", elsewhere.name, sys.executable, "-m"]
        super().__init__(devices, dispatcher=False, **top)

    def run(self, module: str, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        command = [*self._prefix, module, *arguments]
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, timeout=60, check=False, **kwargs)


def _made() -> Elsewhere:
    for left in reversed(range(TRIES)):
        made = Elsewhere()
        try:
            _ip("netns", "add", made.name)
        except subprocess.CalledProcessError as error:
            if left and "exists" in error.stderr:
                continue  # another's
            cannot(f"this machine makes no network namespace: {error.stderr.strip()}")
        try:
            made.make()
        except subprocess.CalledProcessError as error:
            made.remove()
            cannot(f"this machine gives a network namespace no links: {error.stderr.strip()}")
        return made
    raise AssertionError("unreachable")


@contextlib.contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Skips, with the reason, where this user may make none; in CI that is a failure."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        cannot("network namespaces need root and ip (apt install iproute2)")
    made = _made()
    try:
        yield made
    finally:
        made.remove()
