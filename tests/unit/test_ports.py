"""Whether the home's ports can be had is found out without scanning every process."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from effectd.cli import ports
from effectd.cli.ports import Wanted


@pytest.fixture
def as_ordinary_user() -> Iterator[None]:
    if os.geteuid():
        yield
        return
    ports.trouble(broker(1))  # what Python imports at first use may lie where only root can read
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def broker(port: int, host: str = "127.0.0.1") -> Wanted:
    return Wanted("broker", "broker.port", host, port)


def test_a_port_that_this_user_may_not_have_is_not_called_free(as_ordinary_user: None) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first > 1:  # else this machine reserves none
        assert "may not listen on ports below 1024" in ports.trouble(broker(1))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_has_a_port_is_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert ports.trouble(broker(port, host)).startswith(f"port {port} of {host} is held by ")
        assert f"(pid {os.getpid()})" in ports.trouble(broker(port, host))
    assert ports.trouble(broker(port, host)) == ""


def test_an_address_that_is_not_there_yet_is_no_trouble() -> None:
    assert ports.trouble(broker(1883, "192.0.2.7")) == ""
