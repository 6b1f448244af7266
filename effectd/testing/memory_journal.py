"""A journal in memory: quick, and it leaves nothing on disk."""

from typing import Any


class MemoryJournal:
    """`reborn` is what the next run would find; `full` makes every `put` fail."""

    def __init__(self, found: dict[str, bytes] | None = None) -> None:
        self.found = dict(found or {})
        self.kept = dict(found or {})
        self.full = self.crowded = False
        self.trouble = ""
        self.lost = self.new = False

    def watch(self, _loop: Any, _tell: Any) -> None:
        """Nothing can happen to it."""

    def fits(self, _key: str, _value: bytes) -> bool:
        return True

    def put(self, key: str, value: bytes) -> bool:
        if self.full:
            return False
        self.kept.pop(key, None)
        self.kept[key] = value
        return True

    def forget(self, key: str) -> None:
        """What is forgotten may still be found: the real journal only stops copying it."""

    def reborn(self) -> "MemoryJournal":
        return MemoryJournal(self.kept)
