"""Who is silent is gone, and who answers stays, however slowly it reads."""

import contextlib
import time

import pytest

from .conftest import RunningBroker
from .wire import PINGREQ, PINGRESP, PUBLISH, connected, publish

SLACK = 0.7  # seconds that a busy machine may add


@pytest.mark.parametrize("broker", ["ours", "mosquitto"], indirect=True)
def test_a_client_that_completes_no_packet_is_closed_within_one_and_a_half_keepalives_and_its_will_is_sent(
    broker: RunningBroker, topic: str
) -> None:
    half = publish(topic, "x" * 1000)[:900]
    with (
        connected(broker.port) as watcher,
        connected(broker.port, f"{topic}-patient", keepalive=0) as patient,
        connected(broker.port, f"{topic}-silent", keepalive=1, will=(topic, "silent")) as silent,
        connected(broker.port, f"{topic}-half", keepalive=1, will=(topic, "half")) as dripping,
    ):
        watcher.subscribe(topic)
        silent.ping()
        dripping.ping()
        start, sent, ended = time.monotonic(), 0, dict[str, float]()
        while len(ended) < 2 and time.monotonic() - start < 10:
            dripping.try_send(half[sent : sent + 1])
            sent += 1
            with contextlib.suppress(TimeoutError):
                ended[watcher.message(0.05).payload] = time.monotonic() - start
        assert ended.keys() == {"silent", "half"}
        assert all(1.0 < each < 1.5 + broker.tick + SLACK for each in ended.values()), ended
        assert silent.is_closed(SLACK)
        assert dripping.is_closed(SLACK)
        patient.ping()  # a keepalive of 0 is for ever, and it has been silent for longer


def test_a_client_that_pings_lives_though_it_does_not_read_and_delays_nobody(broker: RunningBroker, topic: str) -> None:
    payload, count = "x" * 32_000, 400  # some 12 MB, more than the kernel holds for a reader that does not read
    with (
        connected(broker.port) as sender,
        connected(broker.port, topic, keepalive=1, receive_buffer=4096) as slow,
        connected(broker.port) as quick,
    ):
        slow.subscribe(topic)
        quick.subscribe(topic)
        for _ in range(count):
            sender.send(publish(topic, payload))
            assert len(quick.message(1.0).payload) == len(payload)
        pings, until = 0, time.monotonic() + 1.7
        while time.monotonic() < until:
            slow.send(PINGREQ)
            pings += 1
            assert not sender.is_closed(0.2)
        answers = 0
        while answers < pings:
            arrived = slow.receive()
            assert arrived is not None, f"closed after {answers} of {pings} answers"
            assert arrived.kind in (PUBLISH, PINGRESP)
            answers += arrived.kind == PINGRESP
        slow.ping()
