"""The fixtures of these tests."""

from tests.unit.gate.owner import gate, owner, reader, run, watcher

__all__ = ["gate", "owner", "reader", "run", "watcher"]
