"""Retained messages go to who subscribes, once, and to nobody else; an effect is never retained."""

from .conftest import RunningBroker
from .wire import PINGREQ, PINGRESP, PUBLISH, SUBACK, Packet, connected, subscribe


def test_a_retained_message_is_kept_replaced_and_cleared(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender:
        for payload in ("first", "second"):
            sender.publish(topic, payload, 1, retain=True)
            with connected(broker.port) as receiver:
                receiver.send(subscribe((topic, 1)))
                message = next(each for each in _both(receiver.receive(), receiver.receive()) if each.kind == PUBLISH)
                assert (message.payload, message.retained, message.qos) == (payload, True, 1)
        sender.publish(topic, "", 1, retain=True)
        with connected(broker.port) as receiver:
            receiver.subscribe(topic, 1)
            receiver.ping()


def test_a_retained_message_arrives_at_the_lower_of_the_two_qualities(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        for published, subscribed in ((0, 1), (1, 0), (1, 1)):
            state = f"{topic}/{published}{subscribed}"
            sender.publish(state, "kept", published, retain=True)
            receiver.send(subscribe((state, subscribed)))
            message = next(each for each in _both(receiver.receive(), receiver.receive()) if each.kind == PUBLISH)
            assert message.qos == min(published, subscribed)


def test_a_newcomer_receives_nothing_before_it_subscribes(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, connected(broker.port) as other:
        sender.publish(f"{topic}/secret", "kept", 1, retain=True)
        other.send(subscribe((f"{topic}/#", 0), ("#", 0)))
        with connected(broker.port, topic) as newcomer:
            newcomer.ping()
            newcomer.subscribe(f"{topic}/other")
            newcomer.ping()
        with connected(broker.port, f"{topic}-persistent", clean=False) as newcomer:
            newcomer.ping()


def test_a_subscriber_receives_one_copy_of_a_retained_message_however_many_filters_others_hold(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as sender, connected(broker.port) as other, connected(broker.port) as receiver:
        sender.publish(f"{topic}/state", "kept", 1, retain=True)
        other.send(subscribe((f"{topic}/#", 0), (f"{topic}/+", 1), (f"{topic}/state", 0)))
        receiver.send(subscribe((f"{topic}/#", 0)) + PINGREQ)
        arrived = [receiver.receive() for _ in range(3)]
        assert sorted(each.kind for each in arrived if each) == [PUBLISH, SUBACK, PINGRESP]
        receiver.ping()


def test_an_effect_is_delivered_but_never_retained(ours: RunningBroker, topic: str) -> None:
    with connected(ours.port) as sender, connected(ours.port) as receiver:
        receiver.subscribe("effects/#", 1)
        sender.publish(f"effects/{topic}", "wind", 1, retain=True)
        message = receiver.message()
        assert (message.payload, message.retained) == ("wind", False)
        connected(ours.port, topic, will=(f"effects/{topic}", "light"), will_retain=True).socket.close()
        assert receiver.message().payload == "light"
        with connected(ours.port) as late:
            late.subscribe("effects/#", 1)
            late.ping()


def _both(*packets: Packet | None) -> list[Packet]:
    return [each for each in packets if each]
