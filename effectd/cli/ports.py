"""Checks whether other programs hold the ports of this home's broker and page."""

import errno
import socket
from typing import NamedTuple

from effectd.base import lock
from effectd.config import programs
from effectd.config.reader import Config
from effectd.program.addresses import addresses


class Wanted(NamedTuple):
    """A port, whose it is to be, and its key in config.yaml."""

    program: str
    key: str
    host: str
    port: int


def wanted(tree: Config) -> list[Wanted]:
    broker, page = tree.broker, tree.page
    found = [Wanted(programs.BROKER, "broker.host", broker.host, broker.port)] if broker.embedded else []
    if found and broker.websocket is not None:
        found.append(Wanted(programs.BROKER, "broker.websocket", broker.websocket.host, broker.websocket.port))
    return [*found, Wanted(programs.PAGE, "page.port", page.host, page.port)] if page is not None else found


def held_by_others(tree: Config) -> list[tuple[str, str]]:
    """Key in config.yaml, and who holds that port; nothing where this home's own programs do."""
    ours = lock.holders(tree.home)  # its gate, and so `health`, says whether such a program has its ports
    found = []
    for each in wanted(tree):
        if each.program not in ours and in_use(each):
            from effectd.program.port import who_holds  # psutil

            found.append((each.key, f"port {each.port} of {each.host} is held by {who_holds(each.port)}"))
    return found


def in_use(where: Wanted) -> bool:
    """Whether somebody listens there; without finding out who, which would scan every process."""
    return any(_in_use(address, where.port) for address in addresses(where.host) or ("0.0.0.0",))


def _in_use(address: str, port: int) -> bool:
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(where)
    except OSError as error:  # the programs wait for an address that does not exist yet
        return error.errno == errno.EADDRINUSE
    return False
