"""What may be asked at a gate."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.gate.owner import Reader


def test_a_request_reaches_the_owner_and_its_answer_only_the_one_who_asked(run, loop, reader, gate):
    other = Reader(run, loop)
    other.line(), reader.line()
    gate.on_request = lambda request, reply: reply({"heard": request})
    reader.sock.sendall(b'{"do": "st')
    loop.spend(0.01)
    reader.sock.sendall(b'op"}\n{"do": "x"}\n')
    assert [reader.line(), reader.line()] == [{"heard": {"do": "stop"}}, {"heard": {"do": "x"}}]
    assert other.nothing()
    other.sock.close()


def test_an_answer_may_come_later_and_after_the_asker_has_gone_it_does_no_harm(run, loop, gate):
    replies = list[Callable[[dict[str, Any]], None]]()
    gate.on_request = lambda _request, reply: replies.append(reply)
    asker = Reader(run, loop)
    asker.sock.sendall(b'{"do": "stop"}\n{"do": "stop"}\n')
    loop.until(lambda: len(replies) == 2)
    replies[0]({"done": "stop"})
    assert [asker.line()["name"], asker.line()] == ["fan", {"done": "stop"}]
    asker.sock.close()
    loop.until(lambda: not gate._readers)
    another = Reader(run, loop)  # on the very descriptor of the one who has gone
    another.line()
    replies[1]({"done": "stop"})
    loop.spend(0.01)
    assert another.nothing()
    assert not another.ended()
    another.sock.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\n", b"stop\n", b"\xff\xfe\n", b"[1]\n", b'"stop"\n', b"{]\n", b"[" * 4000 + b"\n", b'{"a":' * 700 + b"\n"],
)
def test_garbage_is_answered_with_what_a_request_is_and_hurts_nobody(loop, reader, gate, garbage):
    gate.on_request = lambda request, reply: reply({"heard": request})
    reader.line()
    reader.sock.sendall(garbage)
    assert "a request is a JSON object" in reader.line()["error"]
    reader.sock.sendall(b'{"do": "stop"}\n')
    assert reader.line() == {"heard": {"do": "stop"}}


def test_the_configuration_it_works_by_has_its_hash_in_each_line_and_is_told_to_who_asks(run, loop, reader, gate):
    assert reader.line()["config"] is None
    gate.configured({"limits": {"max_on_ms": 100}}, "0123456789ab")
    assert reader.line()["config"] == "0123456789ab"
    gate.say("ready", broker_generation="b1")
    assert reader.line()["config"] == "0123456789ab"
    reader.sock.sendall(b'{"do": "config"}\n')
    assert reader.line() == {"done": "config", "config": {"limits": {"max_on_ms": 100}}}


def test_who_sends_without_end_is_let_go(loop, reader, gate):
    reader.line()
    reader.sock.sendall(b"x" * 10_000)
    assert loop.until(reader.ended)


def test_a_program_that_takes_no_requests_says_so(loop, reader, gate):
    reader.line()
    reader.sock.sendall(b'{"do": "stop"}\n')
    assert "knows no other" in reader.line()["error"]


def test_a_reader_that_never_reads_is_let_go_and_blocks_neither_owner_nor_others(run, loop, reader, gate):
    deaf = Reader(run, loop)
    loop.until(lambda: len(gate._readers) == 2)
    began = time.monotonic()
    for number in range(100):
        gate.say("degraded", f"{number} " + "x" * 10_000)
        reader.ended()
    assert time.monotonic() - began < 5
    assert len(gate._readers) == 1
    gate.say("ready")
    states = [reader.line()["state"] for _ in range(102)]
    assert states == ["starting", *["degraded"] * 100, "ready"]
    deaf.sock.close()
