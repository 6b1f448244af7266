"""Reads a YAML file as plain data, with the line of every key; repeated keys and alias bombs are errors."""

import os
from pathlib import Path
from typing import Any

import yaml

from effectd.base.errors import ConfigError, NotYours

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NODES = 20_000  # a home with a thousand devices has fewer; a "billion laughs" file has more
_DEPTH = 20

Path_ = tuple[str, ...]


class YamlFile:
    """`data` is dicts, lists and scalars; keys are always text as written, so `off:` is "off", not False.

    An empty file is None. `text`: contents that are not written to `path` yet.
    """

    def __init__(self, path: Path, text: bytes | None = None) -> None:
        self.path = path
        self._lines: dict[Path_, int] = {(): 1}
        self._visited = 0
        try:
            text = path.read_bytes() if text is None else text
            self._check_depth(text)
            self._loader = _Loader(text)
            node = self._loader.get_single_node()
        except PermissionError:
            if path.stat().st_uid == os.geteuid():
                raise ConfigError(path, 1, "", "cannot be read: Permission denied") from None
            raise NotYours.by(path) from None
        except OSError as error:
            raise ConfigError(path, 1, "", f"cannot be read: {error.strerror}") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise ConfigError(path, line, "", _no_yaml(text or b"", line, str(error.problem))) from None
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(path, 1, "", f"not YAML: {' '.join(str(error).split())}") from None
        self.data = None if node is None else self._build(node, ())

    def line(self, *path: str) -> int:
        """The line of the key at `path`, or of the nearest existing key above it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def error(self, path: Path_, problem: str, *, device: str | None = None) -> ConfigError:
        return ConfigError(self.path, self.line(*path), ".".join(path), problem, device=device)

    def _check_depth(self, text: bytes) -> None:
        """Before composing: libyaml's composer recurses in C, and a hundred thousand brackets would end the process."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ConfigError(self.path, line, "", "too many or too deeply nested values")

    def _build(self, node: yaml.Node, path: Path_) -> Any:
        self._visited += 1
        if self._visited > _NODES or len(path) > _DEPTH:
            raise ConfigError(
                self.path, node.start_mark.line + 1, ".".join(path), "too many or too deeply nested values"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, str(index))) for index, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            problem = getattr(error, "problem", None) or str(error)
            raise ConfigError(self.path, node.start_mark.line + 1, ".".join(path), problem) from None
        except (LookupError, AttributeError):  # PyYAML raises these for `!!bool maybe`, `!!int ""`, `!!timestamp soon`
            problem = f"{node.value[:40]!r} is not a valid {node.tag.rpartition(':')[2]}"
            raise ConfigError(self.path, node.start_mark.line + 1, ".".join(path), problem) from None

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value.isprintable():
                raise ConfigError(self.path, line, ".".join(path), "a key must be a plain word")
            key = key_node.value
            if key in data:
                first = self._lines[(*path, key)]
                raise ConfigError(self.path, line, ".".join((*path, key)), f"repeated; it is in line {first} already")
            self._lines[(*path, key)] = line
            data[key] = self._build(value, (*path, key))
        return data


def _no_yaml(text: bytes, line: int, problem: str) -> str:
    """The parser's message, except for the one mistake that it does not name."""
    lines = text.splitlines()[line - 1 : line]
    if lines and b"\t" in lines[0][: len(lines[0]) - len(lines[0].lstrip())]:
        return "not YAML: a tab before the text; YAML is indented with spaces"
    return f"not YAML: {problem}"
