"""An XML element as the readers get it."""

from typing import NamedTuple


class Element(NamedTuple):
    """`attributes` by local name; `prefixes` that are declared here, for the names in values; places from 1."""

    name: str
    namespace: str
    attributes: dict[str, str]
    line: int
    column: int
    prefixes: dict[str, str]
