"""Checks whether other programs hold the ports of this home's broker and page."""

import errno
import socket

from effectd.base import lock
from effectd.config import programs
from effectd.config.reader import Config
from effectd.program.addresses import addresses


def held_by_others(tree: Config) -> list[tuple[str, str]]:
    """Key in config.yaml, and who holds that port; nothing where this home's own programs do."""
    broker = tree.broker
    wanted = [(programs.BROKER, "broker.host", broker.host, broker.port)] if broker.embedded else []
    if wanted and broker.websocket is not None:
        wanted.append((programs.BROKER, "broker.websocket", broker.websocket.host, broker.websocket.port))
    if tree.page is not None:
        wanted.append((programs.PAGE, "page.port", tree.page.host, tree.page.port))
    ours = lock.holders(tree.home)  # its gate, and so `health`, says whether such a program has its ports
    found = []
    for program, key, host, port in wanted:
        if program not in ours and any(_in_use(address, port) for address in addresses(host) or ("0.0.0.0",)):
            from effectd.program.port import who_holds  # psutil

            found.append((key, f"port {port} of {host} is held by {who_holds(port)}"))
    return found


def _in_use(address: str, port: int) -> bool:
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(where)
    except OSError as error:  # the programs wait for an address that does not exist yet
        return error.errno == errno.EADDRINUSE
    return False
