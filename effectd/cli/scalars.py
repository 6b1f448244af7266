"""Reads the value in K=VALUE on the command line as YAML: `0`, `"0"`, `true`, `[0, 255]`, text."""

from pathlib import Path
from typing import Any

from effectd.base.errors import ConfigError
from effectd.config import words
from effectd.config.yamlfile import YamlFile


def value(text: str, kind: Any = Any) -> Any:
    """`text` as it would be read in config.yaml; where only text fits, what YAML takes for something else stays text.

    So `off_payload=OFF` and `off_payload=0` are text, and `off_payload="0"` is the text without the quotes.
    """
    try:
        found = YamlFile(Path(), text.encode()).data
    except ConfigError:  # not YAML: then it is text
        return text
    return text if words.is_wrong(found, kind) and not words.is_wrong(text, kind) else found
