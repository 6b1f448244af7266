"""`effectd.driver` under its former name, which written drivers use."""

from effectd.driver import Driver, Effect, Options

__all__ = ["Driver", "Effect", "Options"]
