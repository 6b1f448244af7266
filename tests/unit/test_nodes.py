"""Which node of a broker is tried next, and when; how config.yaml names them."""

import re

import pytest

from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.address import Address
from effectd.program.nodes import Nodes
from effectd.testing.fake_loop import FakeLoop

A, B, C = (Address(host=host) for host in "abc")
HOSTS = "broker:\n  embedded: false\n  external:\n    {}\n"


def tried(nodes: Nodes, times: int) -> list[tuple[str, float]]:
    found = []
    for _ in range(times):
        wait = nodes.next()
        found.append((nodes.address.host, wait))
    return found


def test_when_a_node_goes_the_others_are_tried_at_once_and_then_all_again_after_a_while():
    nodes = Nodes(FakeLoop(), A)
    nodes.any_of((A, B, C), "b:1883")
    assert nodes.address == B, "where the home was"
    assert tried(nodes, 7) == [("c", 0), ("a", 0), ("b", 0.05), ("c", 0), ("a", 0), ("b", 0.1), ("c", 0)]
    nodes.failures = 0  # it was connected
    assert tried(nodes, 1) == [("a", 0)]


def test_a_node_that_is_not_among_them_any_more_is_not_begun_with():
    nodes = Nodes(FakeLoop(), A)
    nodes.any_of((A, B), "z:1")
    assert nodes.address == A


def test_the_only_node_is_tried_again_and_again_ever_more_slowly():
    nodes = Nodes(FakeLoop(), A)
    assert [wait for _, wait in tried(nodes, 7)] == [0.05, 0.1, 0.2, 0.5, 1.0, 1.0, 1.0]


def test_hosts_stand_in_place_of_host_and_port(home):
    (home / "config.yaml").write_text(HOSTS.format("hosts: [a:1884, b, '[fe80::1]:1885']\n    username: me"))
    tree = reader.load(home)
    assert [(node.host, node.port, node.username) for node in tree.broker.nodes] == [
        ("a", 1884, "me"),
        ("b", 1883, "me"),
        ("fe80::1", 1885, "me"),
    ]
    there = tree.address_at("fe80::1:1885")
    assert there == tree.broker.nodes[2]
    assert len({node.client_id("effectd-1-wind") for node in tree.broker.nodes}) == 3
    assert tree.at_node(there).broker.nodes == (there,)


def test_at_a_node_of_several_we_hear_at_qos_0_under_ids_that_every_broker_takes(home):
    (home / "config.yaml").write_text(HOSTS.format("hosts: [nats.local:1883]"))
    tree = reader.load(home)
    for node in (*tree.broker.nodes, tree.address_at("nats.local:1883"), tree.at_node(tree.broker.nodes[0]).address):
        assert node.heard_at == 0
        assert re.fullmatch(r"[A-Za-z0-9-]+", node.client_id("effectd-1-wind"))
    assert Address(host="a").heard_at == 1


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("hosts: [a:1, a:1]", "hosts", "one of them stands there twice"),
        ("hosts: []", "hosts", "at least one HOST:PORT"),
        ("hosts: [a:b]", "hosts", "HOST:PORT, such as"),
        ("hosts: [a:70000]", "hosts", "HOST:PORT, such as"),
        ("hosts: [a:1]\n    host: b", "hosts", "in place of host and port"),
        ("hosts: a:1", "hosts", "must be"),
    ],
)
def test_hosts_that_are_wrong_are_told_with_the_key(home, text, key, told):
    (home / "config.yaml").write_text(HOSTS.format(text))
    with pytest.raises(ConfigError) as caught:
        reader.load(home)
    assert caught.value.key == f"broker.external.{key}"
    assert told in caught.value.problem
