"""What comes back to the publisher: one word out of several devices' words, and dead letters that lose nothing."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.messages import answers

WORDS = ("done", "expired", "failed", "stopped", "superseded")


@pytest.mark.parametrize("word", WORDS)
def test_devices_that_agree_give_their_word(word):
    assert answers.overall({"a": word}) == answers.overall({"a": word, "b": word, "c": word}) == word


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("done", "failed"), "partial"),
        (("superseded", "done", "stopped"), "partial"),
        (("superseded", "stopped", "expired", "failed"), "failed"),
        (("superseded", "stopped", "expired"), "expired"),
        (("superseded", "stopped"), "stopped"),
    ],
)
def test_of_devices_that_disagree_done_makes_it_partial_else_the_worst_counts(words, word):
    for order in (words, words[::-1]):
        assert answers.overall(dict(zip("abcd", order, strict=False))) == word


@given(st.dictionaries(st.text(max_size=3), st.sampled_from(WORDS), min_size=1))
def test_overall_is_always_one_of_the_final_words(devices):
    assert answers.overall(devices) in answers.FINAL


@given(st.binary(max_size=300))
def test_a_dead_letter_holds_the_very_bytes_and_their_text_only_where_they_are_text(payload):
    letter = json.loads(answers.dead_letter("id-1", "effects/wind", payload, "why"))
    assert base64.b64decode(letter["payload_base64"]) == payload
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = None
    assert letter["payload"] == text
    assert (letter["id"], letter["topic"], letter["detail"]) == ("id-1", "effects/wind", "why")
    assert letter["at"] > 1_700_000_000_000


def test_of_a_long_payload_the_first_4_kib_are_shown_and_the_detail_says_so():
    letter = json.loads(answers.dead_letter(None, "t", b"x" * 4096 + b"y" * 100, "why"))
    assert letter["payload"] == "x" * 4096
    assert base64.b64decode(letter["payload_base64"]) == b"x" * 4096
    assert letter["detail"] == "why (first 4096 of 4196 bytes shown)"
    assert letter["id"] is None


def test_a_long_text_that_is_cut_within_a_character_is_shown_without_that_character():
    letter = json.loads(answers.dead_letter(None, "t", b"x" + "ä".encode() * 3000, ""))
    assert letter["payload"] == "x" + "ä" * 2047


def test_a_long_payload_that_is_no_text_is_not_passed_off_as_text():
    letter = json.loads(answers.dead_letter(None, "t", b"abc\xff" * 2000, ""))
    assert letter["payload"] is None
    assert base64.b64decode(letter["payload_base64"]) == b"abc\xff" * 1024
