"""The fixtures of these tests."""

from tests.unit.timelines.room import config, room

__all__ = ["config", "room"]
