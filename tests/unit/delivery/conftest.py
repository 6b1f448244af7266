"""The fixtures of these tests."""

from tests.unit.delivery.room import room

__all__ = ["room"]
