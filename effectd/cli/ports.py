"""Checks whether this home's broker and page can have their ports."""

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


def not_to_be_had(tree: Config) -> list[tuple[str, str]]:
    """Key in config.yaml, and why that port cannot be had; nothing where this home's own programs have it."""
    ours = lock.holders(tree.home)  # its gate, and so `health`, says whether such a program has its ports
    found = [(each.key, trouble(each)) for each in wanted(tree) if each.program not in ours]
    return [(key, reason) for key, reason in found if reason]


def trouble(port: Wanted) -> str:
    """Why it cannot be listened on now; "" = it can, or its address does not exist yet: the programs wait for that."""
    refused = {_refusal(address, port.port) for address in addresses(port.host) or ("0.0.0.0",)}
    if errno.EADDRINUSE in refused:
        from effectd.program.port import who_holds  # psutil

        return f"port {port.port} of {port.host} is held by {who_holds(port.port)}"
    if errno.EACCES in refused:
        return f"port {port.port} of {port.host}: this user may not listen on ports below 1024"
    return ""


def _refusal(address: str, port: int) -> int | None:
    """The errno of an attempt to bind it."""
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(where)
    except OSError as error:
        return error.errno
    return None
