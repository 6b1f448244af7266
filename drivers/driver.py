"""`effectd.driver` under its former name, which written drivers use."""

from effectd.driver import DeviceFailed, Driver, Effect, Options

__all__ = ["DeviceFailed", "Driver", "Effect", "Options"]
