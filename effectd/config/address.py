"""Broker addresses and logins: one address, several nodes, or the home's own socket."""

import os
import re
import zlib
from typing import Annotated

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=1, le=65535)]
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "*"}  # for clients and for listeners


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """Files for a TLS connection; `certfile` and `keyfile` are the client's own certificate."""

    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None


def check_host(host: str, *, brackets: bool = False) -> None:
    """Raises ValueError if it is not a plain name or address but, for example, a URL.

    `brackets`: [::1] is an address, too.
    """
    if brackets and re.fullmatch(r"\[[0-9A-Fa-f:.%a-z]+\]", host):
        return
    rest = host.partition("://")[2] or host
    name = re.sub(r":[0-9]*$", "", rest.partition("/")[0].rpartition("@")[2]) if rest.count(":") < 2 else rest
    if host != rest:
        raise ValueError(f"host: {host!r} begins with a scheme; only the name or address belongs here, such as {name}")
    if re.search(r"[\s\0/@\[\]]", host):
        raise ValueError(f"host: {host!r}: only a name or an address, such as localhost, 192.168.1.5 or fe80::1")
    if host.count(":") == 1:
        raise ValueError(f"host: {host!r} has a port in it; write host: {name} and the number as port")


class Address(Struct, frozen=True, forbid_unknown_fields=True):
    """How a client reaches a broker. The password is in the environment variable `password_env`, never in a file."""

    host: Annotated[str, Meta(min_length=1)]
    port: Port = 1883
    username: str | None = None
    password_env: str | None = None
    tls: Tls | None = None

    def __post_init__(self) -> None:
        check_host(self.host)

    def password(self) -> str | None:
        """Raises ValueError if it is not in the environment: without it the broker would only refuse us."""
        if self.password_env and self.password_env not in os.environ:
            raise ValueError(f"the environment has no {self.password_env}, which is to hold the password for {self}")
        return os.environ[self.password_env] if self.password_env else None

    def is_at(self, other: "Address") -> bool:
        """Whether both are known to be the same broker."""
        hosts = {self.host.lower(), other.host.lower()}
        return self.port == other.port and (len(hosts) == 1 or hosts <= _THIS_MACHINE)

    @property
    def heard_at(self) -> int:
        """The quality of service of our subscriptions there."""
        return 1

    def client_id(self, name: str) -> str:
        """The credentials of a client with this id."""
        return name

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class NodeAddress(Address, frozen=True):
    """One node of several. When it dies, RabbitMQ refuses its clients' ids at the other nodes.

    NATS makes a consumer of each subscription at QoS 1, and for minutes assigns a third of them to the dead node.
    Our sessions are clean, so that QoS 0 loses nothing: what is in flight ends with the connection at QoS 1, too.
    """

    @property
    def heard_at(self) -> int:
        return 0

    def client_id(self, name: str) -> str:
        return f"{name}-{zlib.crc32(str(self).encode()) & 0xFFFF:04x}"  # NATS 2.15 takes no dot


def _node(text: str) -> tuple[str, int]:
    """HOST:PORT, [ADDRESS]:PORT or HOST. Raises ValueError."""
    found = re.fullmatch(r"(?:\[([^]]+)\]|([^:]+))(?::([0-9]{1,5}))?", text)
    if found is None or not 0 < int(found[3] or 1883) < 65_536:
        raise ValueError(f"hosts: {text!r}: HOST:PORT, such as broker-1.example:1883 or [fe80::1]:1883")
    check_host(found[1] or found[2])
    return found[1] or found[2], int(found[3] or 1883)


class External(Struct, frozen=True, forbid_unknown_fields=True):
    """An external broker; `hosts`, in place of `host` and `port`: its nodes, any of which will do."""

    host: str = ""
    port: Port = 1883
    hosts: tuple[str, ...] | None = None
    username: str | None = None
    password_env: str | None = None
    tls: Tls | None = None

    def __post_init__(self) -> None:
        if self.hosts is None:
            if not self.host:
                raise ValueError("host is missing; it must be text (or hosts: a list of HOST:PORT)")
            check_host(self.host)
            return
        if self.host or self.port != 1883:
            raise ValueError("hosts: stands in place of host and port; take those away")
        if not self.hosts:
            raise ValueError("hosts: at least one HOST:PORT")
        if len({_node(text) for text in self.hosts}) < len(self.hosts):
            raise ValueError("hosts: one of them stands there twice")

    @staticmethod
    def of(node: Address) -> "External":
        """A broker with this node alone."""
        login = node.username, node.password_env, node.tls
        if not isinstance(node, NodeAddress):
            return External(node.host, node.port, None, *login)
        return External("", 1883, (f"[{node.host}]:{node.port}",), *login)

    def at(self, host: str, port: int) -> Address:
        kind = NodeAddress if self.hosts else Address
        return kind(host, port, self.username, self.password_env, self.tls)

    @property
    def nodes(self) -> tuple[Address, ...]:
        return tuple(self.at(*_node(text)) for text in self.hosts) if self.hosts else (self.at(self.host, self.port),)


class HomeAddress(Address, frozen=True, kw_only=True):
    """This home's own broker, by its UNIX socket `path`; `host` and `port` are where others reach the same broker."""

    path: str
    own: str  # prefix of the client ids by which the broker recognises programs

    def __str__(self) -> str:
        return "run/broker.sock"
