"""Converts a part of a YAML file to a struct; an error becomes one line with the key and its line number."""

from typing import Any

import msgspec

from effectd.config import words
from effectd.config.yamlfile import Path_, YamlFile


def convert(file: YamlFile, path: Path_, raw: Any, kind: Any) -> Any:
    """`raw`, found at `path`, as a `kind`. Raises ConfigError at the line that is wrong."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        keys, problem = words.complaint(error, raw, kind)
        raise file.error((*path, *keys), problem) from None
