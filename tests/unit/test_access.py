"""Rights, pure: filters that match and overlap, and what each kind of client of a home may do."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from effectd.access.access import Access
from effectd.access.filters import Filters
from effectd.access.grant import PUBLISH, RECEIVE, SUBSCRIBE, Grant
from effectd.config import reader
from tests.topic_filters import matches

LEVEL = st.sampled_from(["a", "b", "", "$SYS"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.builds(
    lambda levels, rest: "/".join([*levels, *rest]),
    st.lists(LEVEL | st.just("+"), min_size=1, max_size=3),
    st.sampled_from([[], ["#"]]),
) | st.just("#")


@given(TOPIC, st.lists(FILTER, max_size=4))
def test_filters_match_what_one_of_them_matches(topic: str, filters: list[str]) -> None:
    assert Filters(filters).match(topic) == any(matches(topic, one) for one in filters)


@given(FILTER, FILTER, TOPIC)
def test_two_filters_that_match_one_topic_overlap(one: str, other: str, topic: str) -> None:
    if matches(topic, one) and matches(topic, other):
        assert Filters([one]).overlap(other)
        assert Filters([other]).overlap(one)


@given(FILTER, FILTER)
def test_two_filters_that_overlap_have_a_topic_in_common(one: str, other: str) -> None:
    if Filters([one]).overlap(other):
        longest = max(one.count("/"), other.count("/")) + 1
        words = {*one.split("/"), *other.split("/"), "z"} - {"+", "#"}

        def topics(length: int) -> list[str]:
            found = [""]
            for level in range(length):
                found = [f"{front}/{word}" if level else word for front in found for word in words]
            return found

        assert any(
            matches(topic, one) and matches(topic, other)
            for length in range(1, longest + 1)
            for topic in topics(length)
        )


CONFIG: dict[str, Any] = {
    "effects": {"wind": None},
    "buses": {"rack": {"kind": "virtual", "options": {"a_topic": "rack/x"}}},
    "devices": {
        "fan": {"kind": "virtual", "effects": ["wind"]},
        "left-fan": {"kind": "mqtt", "effects": ["wind"], "options": {"topic": "wled/$device/api", "off_topic": "off"}},
        "far": {"kind": "remote", "effects": ["wind"]},
        "one": {"bus": "rack", "effects": ["wind"]},
        "two": {"bus": "rack", "effects": ["wind"], "options": {"topic": "two/$device"}},
    },
}
USERS = {
    "anna": {"publish": ["effects/#"], "subscribe": ["receipts/#", "devices/+/state"]},
    "fan-esp": {"device": "far"},
    "all": {"publish": ["#"], "subscribe": ["#"]},
}


def access(root: str = "", users: dict[str, Any] | None = None) -> Access:
    data = CONFIG | {"topic_root": root, "broker": {"users": users or {}}}
    return Access(reader.load(Path("/tmp"), yaml.safe_dump(data).encode()))


def own(name: str) -> str:
    return access().own + name


@pytest.mark.parametrize(
    ("client_id", "role"),
    [
        (own("fan"), "fan"),
        (own("left-fan"), "left-fan"),
        (own("mqtt.left-fan"), "left-fan"),
        (own("rack"), "rack"),
        (own("dispatcher"), "dispatcher"),
        (own("cli-send-0011"), "cli-send-0011"),
        ("my-left-fan", "left-fan"),
        ("test-dispatcher", "dispatcher"),
        ("broker", "broker"),
        ("stranger", ""),
        ("infan", ""),
        ("", ""),
    ],
)
def test_the_role_is_the_end_of_the_client_id(client_id: str, role: str) -> None:
    assert access().role(client_id) == role


@pytest.mark.parametrize("root", ["", "a/b"])
def test_each_role_may_do_what_it_must_and_no_more(root: str) -> None:
    found = access(root)
    rooted = f"{root}/" if root else ""

    def may(grant: Grant, action: str, *topics: str) -> list[bool]:
        return [grant.may(action, rooted + topic) for topic in topics]

    driver = found.program(own("fan"))
    assert all(may(driver, PUBLISH, *(f"devices/fan/{w}" for w in ("ack", "state", "availability", "fence", "config"))))
    assert not any(may(driver, PUBLISH, "devices/fan/set", "devices/far/ack", "effects/wind", "receipts/x", "stop-all"))
    assert all(may(driver, RECEIVE, "devices/fan/set", "devices/fan/stop", "devices/fan/resume", "stop-all", "holds/a"))
    assert not any(may(driver, RECEIVE, "devices/far/set", "effects/wind", "devices/fan/state", "receipts/x"))
    dispatcher = found.program(own("dispatcher"))
    assert all(may(dispatcher, PUBLISH, "devices/fan/set", "devices/fan/resume", "receipts/x", "system/a/state"))
    assert all(may(dispatcher, PUBLISH, "dead-letters/refused", "timelines/film/state", "devices/fan/stop"))
    assert not any(may(dispatcher, PUBLISH, "devices/fan/ack", "devices/fan/state"))
    named = found.program(own("left-fan"))
    assert named.may(PUBLISH, "wled/left-fan/api")
    assert named.may(PUBLISH, "off")
    assert not named.may(PUBLISH, "wled/fan/api")
    for program, device in (("rack", "one"), ("rack", "two"), ("two", "two")):
        grant = found.program(own(program))
        assert may(grant, PUBLISH, f"devices/{device}/state", "effects/wind") == [True, False]
        assert may(grant, RECEIVE, f"devices/{device}/set", "devices/fan/set") == [True, False]
        assert grant.may(PUBLISH, "rack/x")
    assert not found.program(own("two")).may(PUBLISH, rooted + "devices/one/ack")
    assert found.program(own("rack")).may(PUBLISH, "two/two")
    anybody = found.anybody
    assert anybody is not None
    assert all(may(anybody, PUBLISH, "effects/wind", "stop-all", "holds/x", "devices/far/ack", "timelines/film/play"))
    assert not any(may(anybody, PUBLISH, "devices/fan/ack", "devices/far/set", "receipts/x", "timelines/film/state"))
    assert all(may(anybody, RECEIVE, "effects/wind", "devices/fan/set", "receipts/x"))


def test_a_user_has_its_filters_what_every_user_has_and_what_its_devices_need() -> None:
    found = access(users=USERS)
    assert found.anybody is None
    anna, device, everything = (found.users[name] for name in ("anna", "fan-esp", "all"))
    for topic in ("effects/wind", "stop-all", "devices/fan/stop", "holds/anna"):
        assert anna.may(PUBLISH, topic)
    for topic in ("timelines/film/play", "devices/far/ack", "holds/a/b", "other"):
        assert not anna.may(PUBLISH, topic)
    assert [anna.may(SUBSCRIBE, f) for f in ("#", "devices/#", "receipts/+", "effects/#", "devices/fan/set")] == [
        *(True, True, True, False, False)
    ]
    assert not anna.may(RECEIVE, "devices/fan/set")
    assert device.may(PUBLISH, "devices/far/availability")
    assert device.may(RECEIVE, "devices/far/set")
    assert device.may(RECEIVE, "holds/a/b")
    assert not device.may(PUBLISH, "devices/fan/ack")
    assert not device.may(RECEIVE, "devices/fan/set")
    assert not everything.may(PUBLISH, "devices/fan/set"), "# is no right to what is protected"
    assert everything.may(RECEIVE, "devices/fan/set")
    assert not everything.may(RECEIVE, "$SYS/broker/uptime")


@pytest.mark.parametrize("client_id", ["", "a/b", "+", "#"])
def test_a_client_id_that_could_stand_for_others_has_no_corner(client_id: str) -> None:
    found = access(users=USERS)
    grant = found.probing(found.users["anna"], client_id)
    assert not grant.may(PUBLISH, "probe/a/b/x")
    assert not grant.may(PUBLISH, f"probe/{client_id}/x")
    assert found.probing(found.users["anna"], "a").may(PUBLISH, "probe/a/b")


@pytest.mark.parametrize(
    ("broker", "key", "said"),
    [
        ({"host": "0.0.0.0"}, "broker.host", "needs users. first: effectd user add NAME, then: effectd certificate"),
        ({"host": "*"}, "broker.host", "needs users"),
        ({"host": "::"}, "broker.host", "needs users"),
        ({"host": "192.0.2.1"}, "broker.host", "needs users"),
        ({"host": "room.example", "insecure": True}, "broker.host", "needs users. first: effectd user add NAME"),
        ({"websocket": {"host": "0.0.0.0"}}, "broker.websocket.host", "needs users"),
        ({"host": "0.0.0.0", "users": {"anna": {}}}, "broker.host", "passwords in the clear"),
        ({"users": {"a:b": {}}}, "broker.users.a:b", "a user's name is"),
        ({"users": {"anna": {"publish": ["a#"]}}}, "broker.users.anna.publish", "no topic filter"),
        ({"users": {"anna": {"subscribe": ["$share/g/a"]}}}, "broker.users.anna.subscribe", "no topic filter"),
        ({"users": {"anna": {"device": "fan"}}}, "broker.users.anna.device", "not a device of `kind: remote`"),
        ({"users": {"anna": {"devices": ["far", "no"]}}}, "broker.users.anna.devices", "'no' is not a device of"),
        ({"users": {"anna": {"publsh": []}}}, "broker.users.anna.publsh", "unknown key; allowed here are publish,"),
    ],
)
def test_a_broker_that_is_open_by_mistake_or_a_user_that_is_none_is_refused(
    broker: dict[str, Any], key: str, said: str
) -> None:
    with pytest.raises(reader.ConfigError) as refused:
        reader.load(Path("/tmp"), yaml.safe_dump(CONFIG | {"broker": broker}).encode())
    assert refused.value.key == key
    assert said in refused.value.problem


@pytest.mark.parametrize(
    "broker",
    [
        {"host": "localhost"},
        {"host": "127.0.0.2"},
        {"host": "::1"},
        {"host": "[::1]"},
        {"host": "0.0.0.0", "users": {"anna": None}, "insecure": True},
        {"host": "0.0.0.0", "users": {"anna": None}, "tls": {"certfile": "server.pem"}},
        {"host": "0.0.0.0", "embedded": False, "external": {"host": "elsewhere"}},
    ],
)
def test_what_is_safe_or_said_to_be_meant_is_taken(broker: dict[str, Any]) -> None:
    reader.load(Path("/tmp"), yaml.safe_dump(CONFIG | {"broker": broker}).encode())
