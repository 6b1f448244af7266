"""Finds keys of config.yaml that are not in force, by comparing the file with the part that each program uses."""

from effectd.base.errors import ConfigError
from effectd.config import part
from effectd.config.reader import Config
from effectd.readiness import glance
from effectd.readiness.line import Line

_UNKNOWN = "config.yaml"  # something differs, but the program did not say what


class Stale:
    """`keys` of each running program; a program is asked for its part only once."""

    def __init__(self, tree: Config) -> None:
        self.tree = tree
        self._known: dict[tuple[str, str], list[str]] = {}  # by generation and hash
        self._parts: dict[str, part.Part] = {}
        for name in tree.programs:
            try:
                self._parts[name] = part.of(tree, name)
            except ConfigError:  # its section is wrong, which is reported elsewhere
                continue
        self._digests = {name: part.digest(own) for name, own in self._parts.items()}

    def keys(self, name: str, line: Line | None) -> list[str]:
        """Such as ["limits.max_on_ms"]; [] where nothing differs, where it is not known, or where nothing runs."""
        if line is None or line.config is None or self._digests.get(name, line.config) == line.config:
            return []
        key = line.generation, line.config
        if key not in self._known:
            old = glance.part(self.tree.home / "run", name)
            if old is None:
                return [_UNKNOWN]
            self._known[key] = part.differences(old, self._parts[name]) or [_UNKNOWN]
        return self._known[key]
