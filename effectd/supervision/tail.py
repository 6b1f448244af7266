"""Fixes `supervisorctl tail -f`: supervisor 4.3.0 loses the lines between its last look and a log's rotation.

Its `tail_f_producer.more` closes the rotated file and opens the new one before it has read the old one to its end. We
found no issue of supervisor's about it.
"""

from typing import Any

from supervisor import http


class Tail(http.tail_f_producer):  # type: ignore[misc]
    """Reads the rotated file to its end before it follows the new one."""

    sz: int

    def more(self) -> Any:
        rest = self.file.read() if self._at_end() else b""
        if rest:
            return rest
        return super().more()

    def _at_end(self) -> bool:
        """Whether the next `more` of the base class would leave this file: it was rotated away."""
        try:
            rotated = bool(http.os.stat(self.filename).st_ino != self.ino)
        except OSError:  # between the two renames of a rotation
            return False
        if rotated:
            self.file.seek(self.sz)
            self.sz = self._fsize()
        return rotated


def mend() -> None:
    """supervisor's log handler looks the class up in its module at each request."""
    http.tail_f_producer = Tail
