"""Mutated packets, of 3.1.1 and of 5, do no harm; benchmarks/broker.py sends a million of them."""

from . import mutations
from .conftest import RunningBroker


def test_no_mutated_packet_hangs_its_connection_or_disturbs_another_client(broker: RunningBroker) -> None:
    found = mutations.run(broker.port, 3000, seed=7)
    assert found["answered"] > 1000
    assert found["bystanders' worst ms"] < 2000
