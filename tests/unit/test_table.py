"""Each message reaches the one part that has its topic, and nothing else does."""

import pytest

from dispatcher_proc.part import Handler, Message, Part
from dispatcher_proc.table import Table


class Ears(Part):
    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[str, ...]]] = []

    def topics(self) -> dict[str, Handler]:
        return {name: self._handler(name) for name in ("stop-all", "devices/+/ack", "effects/#")}

    def _handler(self, name: str) -> Handler:
        def hear(message: Message) -> None:
            self.heard.append((name, message.words))

        return hear


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def table(ears: Ears) -> Table:
    table = Table()
    table.add([ears])
    return table


def test_what_is_subscribed_to_is_what_the_parts_handle_in_their_order(table):
    assert table.subscriptions == ["stop-all", "devices/+/ack", "effects/#"]


@pytest.mark.parametrize(
    ("topic", "heard"),
    [
        ("stop-all", ("stop-all", ())),
        ("devices/fan/ack", ("devices/+/ack", ("fan",))),
        ("devices//ack", ("devices/+/ack", ("",))),
        ("effects", ("effects/#", ())),
        ("effects/", ("effects/#", ())),
        ("effects/wind/deep\ner", ("effects/#", ())),
    ],
)
def test_a_topic_reaches_its_handler_with_the_words_that_stand_for_plus(table, ears, topic, heard):
    table.take(topic, b"", False)
    assert ears.heard == [heard]


@pytest.mark.parametrize("topic", ["stop-all/x", "devices/fan/x/ack", "devices/ack", "effectsx", "x/effects", ""])
def test_a_topic_of_nobody_reaches_no_handler_and_is_told(table, ears, caplog, topic):
    table.take(topic, b"", False)
    assert ears.heard == []
    assert f"a message on {topic}, " in caplog.text
