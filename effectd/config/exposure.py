"""Checks that a broker or page that is open to other machines has users and TLS, and that the users are valid.

The reader does this, so that no program starts with a configuration that is open to the whole network by mistake.
"""

import re
import socket
from typing import Any

from effectd.config.schema import Broker, Page
from effectd.config.yamlfile import YamlFile

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
USER_RULE = "1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit"
_ADD, _CERTIFICATE = "effectd user add NAME", "effectd certificate"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener there."""
    for family, loopback in ((socket.AF_INET, b"\x7f"), (socket.AF_INET6, bytes(15) + b"\1")):
        try:
            return socket.inet_pton(family, host.strip("[]")).startswith(loopback)
        except OSError:
            continue  # not an address of that kind
    return host == "localhost"


def own_names() -> set[str]:
    """This machine's own host name."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {name, short, f"{short}.local"}


def is_page(page: Page | None, host: str, port: int) -> bool:
    """Whether what is at `host` and `port`, seen from this machine, is this home's own page."""
    if page is None or port != page.port:
        return False
    name = host.strip("[]").lower()
    return is_loopback(name) or name in {page.host.strip("[]").lower(), *own_names(), *map(str.lower, page.names)}


def check(file: YamlFile, broker: Broker, devices: dict[str, Any]) -> None:
    """Raises ConfigError; `devices` as they stand in the file."""
    for name, user in broker.users.items():
        path = ("broker", "users", name)
        if not USER.fullmatch(name):
            raise file.error(path, f"a user's name is {USER_RULE}")
        for key in ("publish", "subscribe"):
            for one in getattr(user, key):
                if not is_filter(one):
                    raise file.error((*path, key), f"{one[:60]!r} is no topic filter: # only at its end, + as a level")
        for device in user.acts_for:
            found = devices.get(device)
            if not (isinstance(found, dict) and found.get("kind") == "remote"):
                key = "device" if user.device == device else "devices"
                raise file.error((*path, key), f"{device[:40]!r} is not a device of `kind: remote` in this file")


def check_reach(file: YamlFile, broker: Broker) -> None:
    """Raises ConfigError if other machines could connect without a login, or with a password in the clear."""
    if not broker.embedded:
        return
    wanted: list[tuple[tuple[str, ...], str]] = [(("broker", "host"), broker.host)]
    if broker.websocket is not None:
        wanted.append((("broker", "websocket", "host"), broker.websocket.host))
    for path, host in wanted:
        if not is_loopback(host):
            require(file, path, host, broker, safe=broker.insecure or has_tls(broker))


def check_page(file: YamlFile, page: Page | None, broker: Broker) -> None:
    """The same for the page. Raises ConfigError, also where it would take the broker's port."""
    if page is None:
        return
    taken = {"broker.port": broker.port} if broker.embedded else {}
    if broker.embedded and broker.websocket is not None:
        taken["broker.websocket.port"] = broker.websocket.port
    for key, port in taken.items():
        if page.port == port:
            raise file.error(("page", "port"), f"{port} is {key} as well; give it another one")
    if not is_loopback(page.host):
        require(file, ("page", "host"), page.host, broker, safe=page.insecure or has_tls(page))


def require(file: YamlFile, path: tuple[str, ...], host: str, broker: Broker, *, safe: bool) -> None:
    """Raises ConfigError if `host` is beyond loopback and there are no users, or no TLS (`safe`)."""
    secure = f"{_CERTIFICATE} (or {path[0]}.insecure: true, passwords in the clear)"
    if not broker.users:
        cure = f"first: {_ADD}" + ("" if safe else f", then: {secure}")
        raise file.error(path, f"{host} lets anyone on the network move the devices: it needs users. {cure}")
    if not safe:
        raise file.error(path, f"{host} without TLS sends passwords in the clear over the network: {secure}")


def has_tls(where: Broker | Page) -> bool:
    return where.tls is not None and where.tls.certfile is not None


def is_filter(text: str) -> bool:
    """Whether it is a valid filter (MQTT 5 section 4.7.1), and not a shared subscription."""
    if not text or "\0" in text or len(text.encode(errors="replace")) > 65_535 or text.startswith("$share/"):
        return False
    *levels, last = text.split("/")
    return all(level == "+" or not re.search("[+#]", level) for level in levels) and (
        last in ("+", "#") or not re.search("[+#]", last)
    )
