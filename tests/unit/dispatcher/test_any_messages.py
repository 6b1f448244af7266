"""No history of messages makes receipts contradict, or executes an effect twice."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.messages.answers import FINAL
from tests.unit.house import House

pytestmark = pytest.mark.usefixtures("no_inotify")

ids = st.sampled_from(["a", "b", "c", None])
messages = st.one_of(
    st.tuples(
        st.just("effect"), ids, st.sampled_from([5, 6, "gale", "breeze", 500]), st.sampled_from(["left", "", "up"])
    ),
    st.tuples(st.just("effect"), ids, st.sampled_from([5, 6]), st.sampled_from(["left", ""])),
    st.tuples(st.just("bytes"), st.binary(max_size=20)),
    st.tuples(st.just("ack"), st.sampled_from(["fan", "fan-2", "x"]), ids, st.sampled_from(["done", "failed", "?"])),
    st.tuples(st.just("stop"), st.sampled_from(["stop-all", "devices/fan/stop"])),
    st.tuples(st.just("gate"), st.sampled_from(["fan", "fan-2"]), st.sampled_from(["g1", "g2", None])),
    st.tuples(st.just("advance"), st.sampled_from([0.05, 0.2, 2.0])),
)


@given(st.lists(messages, max_size=40))
def test_no_history_of_messages_makes_receipts_contradict_or_executes_an_effect_twice(history):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.mkdir(f"{folder}/run")
        house = House(Path(folder))
        for what, *details in history:
            match what, details:
                case "effect", [effect_id, intensity, location]:
                    house.wind(effect_id, intensity=intensity, location=location)
                case "bytes", [payload]:
                    house.message("effects/wind", payload)
                case "ack", [device, effect_id, status]:
                    house.ack(device, effect_id or "?", status)
                case "stop", [topic]:
                    house.message(topic, b"")
                case "gate", [device, None]:
                    house.gate(device, None)
                case "gate", [device, run]:
                    house.ready(device, run=run)
                case "advance", [seconds]:
                    house.loop.advance(seconds if house.loop.now < 1050 else 0)  # no id is forgotten within 60 s
        house.loop.advance(10)
        house.close()

    for device in ("fan", "fan-2"):
        sets = [set_ | {"newest": 0, "first_sent": 0} for set_ in house.on(f"devices/{device}/set")]
        seqs = {(set_["id"], set_["seq"]) for set_ in sets}
        assert (
            len({json.dumps(set_, sort_keys=True) for set_ in sets})
            == len(seqs)
            == len({effect_id for effect_id, _ in seqs})
        )
    for effect_id in {receipt["id"] for receipt in house.on("receipts/")}:
        told = [payload for topic, payload, _, _ in house.link.published if topic == f"receipts/{effect_id}"]
        words = [json.loads(payload)["status"] for payload in told]
        while words and words[0] == "refused":  # each may have been mended under the same id
            told, words = told[1:], words[1:]
        finals = [payload for payload, word in zip(told, words, strict=True) if word in FINAL]
        assert len(set(words) - {"accepted"}) == len(set(finals)) == (1 if words else 0)
        assert words == sorted(words, key=lambda word: word in FINAL)
    assert len(house.dispatcher._delivery) == 0
