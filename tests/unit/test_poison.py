"""A message at which a broker ends the connection costs some connections, and not the room."""

from dispatcher_proc.outbox import Outbox
from dispatcher_proc.poison import SURE
from effectd.testing.fake_link import FakeLink


def lose(link: FakeLink, outbox: Outbox) -> None:
    link.unconfirmed.clear()
    outbox.resend()


def test_the_message_at_which_the_connection_ends_each_time_is_left_out_and_the_others_arrive() -> None:
    link, delivered = FakeLink(), list[str]()
    outbox = Outbox(link, "dead-letters/", foreign=True)
    for topic in ("receipts/a.b", "receipts/c", "receipts/d"):
        outbox.put(topic, b"{}", lambda topic=topic: delivered.append(topic))
    for _ in range(SURE):
        lose(link, outbox)
    assert delivered == ["receipts/a.b"]
    link.published.clear()
    for _ in range(2):
        link.confirm()
    assert delivered == ["receipts/a.b", "receipts/c", "receipts/d"]
    outbox.put("receipts/film.1a.0", b"{}", lambda: delivered.append("a timeline's"))
    assert delivered[-1] == "a timeline's"
    assert "receipts/film.1a.0" not in [topic for topic, *_ in link.published], "what it ends at is known by now"


def test_connections_that_are_lost_for_other_reasons_leave_nothing_out() -> None:
    link, delivered = FakeLink(), list[str]()
    outbox = Outbox(link, "dead-letters/", foreign=True)
    for number in range(20):
        outbox.put(f"receipts/a.{number}", b"{}", lambda number=number: delivered.append(str(number)))
        lose(link, outbox)
        lose(link, outbox)
        link.confirm(1)
        link.confirm()
    lose(link, outbox)
    assert len(delivered) == 20
    link.published.clear()
    outbox.put("receipts/a.20", b"{}")
    assert link.published


def test_our_own_broker_may_die_as_often_as_it_will() -> None:
    link, delivered = FakeLink(), list[str]()
    outbox = Outbox(link, "dead-letters/", foreign=False)
    for topic in ("receipts/a.b", "receipts/c"):
        outbox.put(topic, b"{}", lambda topic=topic: delivered.append(topic))
    for _ in range(3 * SURE):
        lose(link, outbox)
    assert delivered == []
    link.confirm()
    assert delivered == ["receipts/a.b", "receipts/c"]
