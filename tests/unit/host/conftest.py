"""The fixtures of these tests."""

from tests.unit.host.stage import new, stage

__all__ = ["new", "stage"]
