"""Whose broker a tormented room has: its own, another, several nodes, or one with TLS and rights for two machines."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.connection import PLAIN, Way
from tests.chaos.fault import Node
from tests.system import test_acl
from tests.system.home import free_port
from tests.system.namespace import Elsewhere, FarHome
from tests.system.test_acl import Guarded
from tests.system.test_external import Mosquitto, at_nodes, broker, on

FAR = "wind"  # the device that is driven on the other machine
# the page's, with the device that we have there
ACL = test_acl.ACL.replace("devices/fan/", f"devices/{FAR}/")


@dataclass
class Place:
    """`top`: for config.yaml; `external`: to be killed; `way`: how the harness comes in."""

    top: dict[str, Any] = field(default_factory=dict)
    external: Mosquitto | None = None
    nodes: Sequence[Node] = ()
    way: Way = PLAIN
    guarded: Guarded | None = None
    far_port: int = 0

    @property
    def port(self) -> int | None:
        """None: the home's own broker's."""
        return self.nodes[0].port if self.nodes else self.external.port if self.external else None


def place(
    stack: contextlib.ExitStack, link: Elsewhere | None, nodes: Sequence[Node], *, external: bool, pair: bool
) -> Place:
    """By a link to another machine everybody comes by TLS, with the rights of docs/brokers.md."""
    if link is not None:
        os.environ.setdefault("ROOM_PASSWORD", "secret")
        far_port = free_port()
        guarded = stack.enter_context(test_acl.guarded(ACL, {link.near: far_port}))
        way = Way(("anna", "secret"), guarded.ca)
        return Place({"broker": guarded.section("room")}, guarded.mosquitto, (), way, guarded, far_port)
    if pair:
        nodes = [stack.enter_context(broker()) for _ in range(2)]
    if nodes:  # heard as our own programs hear there
        return Place({"broker": at_nodes(*nodes)}, None, nodes, Way(qos=0))
    if external:
        other = stack.enter_context(broker())
        return Place({"broker": on(other.port)}, other)
    return Place()


def far_home(stack: contextlib.ExitStack, link: Elsewhere, there: Place, device: dict[str, object]) -> None:
    """The home on the other machine, which drives the device."""
    assert there.guarded is not None
    devices = dict.fromkeys(("light", "vibration", "scent")) | {FAR: device}
    section = there.guarded.section("far")
    section["external"] |= {"host": link.near, "port": there.far_port}
    far = stack.enter_context(FarHome(link, devices, broker=section))
    shutil.copy(Path(__file__).with_name("faulty.py"), far.path)
    far.start_ready()
