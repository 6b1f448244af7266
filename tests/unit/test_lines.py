"""A message as a line: whatever somebody publishes becomes one line that any terminal can be given."""

import json

import pytest
from hypothesis import given

from effectd.cli import message_lines
from effectd.cli.client import Message
from effectd.messages import lines
from effectd.messages.topics import Topics
from tests.unit.test_room import FIELDS, TOPICS, payloads, st


@given(st.sampled_from(TOPICS), payloads)
def test_any_message_is_one_line_in_words_and_one_of_json(topic: str, payload: bytes):
    message = Message(topic, payload, False)
    said = message_lines.in_words(message, Topics())
    said.encode()
    assert "\n" not in said
    assert json.loads(lines.as_line(topic, payload))["topic"] == topic


@pytest.mark.parametrize(
    "value", ["1" + "0" * 400, "1" + "0" * 5000, "1e999", "NaN", '"\\ud800"', '"\\u001b[2J"', "[[[]]]"]
)
@pytest.mark.parametrize("field", FIELDS)
def test_a_value_beyond_all_bounds_is_still_a_line(field: str, value: str):
    payload = f'{{"on":true,"status":"done","devices":{{"wind":"done"}},"{field}":{value}}}'.encode()
    for topic in TOPICS:
        said = message_lines.in_words(Message(topic, payload, False), Topics())
        said.encode()
        assert "\x1b[2J" not in said


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("holds/door", b"open", "hold        held by door: open"),
        ("holds/door", b'{"reason": "open", "target": ["fan"]}', "hold        held by door: open  (only fan)"),
        ("holds/door", b"", "release     door"),
        (
            "devices/fan/state",
            b'{"on": false, "reason": "budget: free again in 50 s"}',
            "  budget: free again in 50 s",
        ),
    ],
)
def test_who_holds_and_why_something_is_off_is_said(topic: str, payload: bytes, said: str):
    assert message_lines.in_words(Message(topic, payload, False), Topics()).endswith(said)
