"""Subscriptions in a tree find what comparing each filter with the topic finds; so do retained messages."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker_proc.limits import Limits
from broker_proc.message import Message
from broker_proc.retained import Retained
from broker_proc.routing import Routing, Subscription, split_share
from effectd.config.schema import BrokerLimits
from tests.topic_filters import matches

levels = st.sampled_from(["a", "b", "", "$a"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = (
    st.tuples(st.lists(st.sampled_from(["a", "b", "", "+", "$a"]), max_size=4), st.booleans())
    .map(lambda made: "/".join([*made[0], *(["#"] if made[1] else [])]))
    .filter(bool)
)
changes = st.lists(st.tuples(st.booleans(), st.integers(0, 2), filters, st.integers(0, 2)), max_size=20)


@given(changes, st.lists(topics, min_size=1, max_size=5))
def test_a_topic_is_heard_by_exactly_those_whose_filters_match_it(
    made: list[tuple[bool, int, str, int]], asked: list[str]
) -> None:
    routing, held = Routing(), dict[tuple[int, str], int]()
    for subscribe, who, topic_filter, qos in made:
        if subscribe:
            assert routing.subscribe(topic_filter, who, Subscription(qos)) is ((who, topic_filter) not in held)
            held[who, topic_filter] = qos
        else:
            assert routing.unsubscribe(topic_filter, who) is (held.pop((who, topic_filter), None) is not None)
        assert routing.count == len(held)
    for topic in asked:
        expected: dict[int, int] = {}
        for (who, topic_filter), qos in held.items():
            if matches(topic, topic_filter):
                expected[who] = max(qos, expected.get(who, 0))
        found, _ = routing.find(topic)
        assert {one.session: one.qos for one in found} == expected
        assert len(found) == len(expected)
    for who, topic_filter in held:
        routing.unsubscribe(topic_filter, who)
    assert not routing._root.below  # nothing is left of what nobody holds


@given(st.lists(st.tuples(topics, st.sampled_from([b"", b"x", b"yy"])), max_size=20), filters)
def test_a_filter_finds_exactly_the_retained_messages_that_it_matches(
    kept: list[tuple[str, bytes]], topic_filter: str
) -> None:
    retained, expected = Retained(Limits(BrokerLimits()), lambda: 0.0), dict[str, bytes]()
    for topic, payload in kept:
        assert retained.keep(topic, Message(topic.encode(), payload, 0, True), "x")
        expected[topic] = payload
        if not payload:
            del expected[topic]
    assert retained.count == len(expected)
    found = [(one.topic.decode(), one.payload) for one in retained.matching(topic_filter) if one is not None]
    assert sorted(found) == sorted((t, p) for t, p in expected.items() if matches(t, topic_filter))
    for topic in expected:
        retained.keep(topic, Message(topic.encode(), b"", 0, True), "x")
    assert (retained.count, retained.bytes, retained._root.below) == (0, 0, {})


def test_a_retained_message_that_has_expired_leaves_nothing_behind() -> None:
    now = 0.0
    retained = Retained(Limits(BrokerLimits(retained=100)), lambda: now)
    for each in range(1000):
        message = Message(b"t/%d" % each, b"x", 0, True)
        message.expires = now + 1.5
        now += 0.1
        assert retained.keep(f"t/{each}", message, "x")
    assert retained.count < 40
    now += 10
    assert not [one for one in retained.matching("#") if one]
    retained.keep("end", Message(b"end", b"x", 0, True), "x")
    assert (retained.count, len(retained._root.below)) == (1, 1)


def test_a_route_is_kept_until_a_subscription_that_matters_changes() -> None:
    routing: Any = Routing()
    routing.keep(b"a/b", "first")
    routing.keep(b"c", "second")
    routing.subscribe("a/b", 1, Subscription(0))
    assert routing.routes == {b"c": "second"}
    routing.subscribe("x/+", 1, Subscription(0))
    assert routing.routes == {}


def test_a_shared_subscription_goes_in_turn_to_who_is_there() -> None:
    routing = Routing()
    here = [SimpleNamespace(connection=True, name=str(each)) for each in range(3)]
    away = SimpleNamespace(connection=None, name="away")
    members: list[Any] = [Member(one) for one in (*here, away)]
    for member in members:
        routing.subscribe("$share/g/a", member, Subscription(1))
    _, [group] = routing.find("a")
    chosen = [group.choose(lambda _: True) for _ in range(6)]
    assert [one.session.name for one in chosen if one] == ["0", "1", "2", "0", "1", "2"]
    some = [group.choose(lambda one: one.name == "away") for _ in range(2)]
    assert [one.session.name for one in some if one] == ["away", "away"]
    assert group.choose(lambda _: False) is None
    assert routing.shared == 4


class Member:
    """A session, as far as a group knows it."""

    def __init__(self, about: SimpleNamespace) -> None:
        self.connection, self.name = about.connection, about.name


def test_the_group_of_a_shared_subscription_is_cut_off() -> None:
    assert split_share("$share/g/a/#") == ("g", "a/#")
    assert split_share("$share/g") == ("g", "")
    assert split_share("a/$share") == ("", "a/$share")
