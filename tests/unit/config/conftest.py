"""The fixtures of these tests."""

from tests.unit.config.files import error, load

__all__ = ["error", "load"]
