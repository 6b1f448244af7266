"""Notifies when a file is moved into a folder (inotify by ctypes; the standard library has no binding)."""

import ctypes
import os
import struct
from pathlib import Path

_IN_MOVED_TO, _IN_Q_OVERFLOW, _IN_IGNORED = 0x80, 0x4000, 0x8000
_HEAD = struct.Struct("iIII")  # inotify_event: wd, mask, cookie, len; then len bytes of name, padded with NUL


class Inotify:
    """`fd` is readable when something was moved in; `names` says what. Raises OSError where the folder is missing, or
    the user's instances (fs.inotify.max_user_instances) are used up."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, os.fsencode(folder), _IN_MOVED_TO) < 0:
            error = ctypes.get_errno()
            self.close()
            raise OSError(error, os.strerror(error), str(folder))

    def names(self) -> set[str] | None:
        """The names moved in since the last call; None where some were missed or the folder itself is gone."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return set()
        found, at = set[str](), 0
        while at < len(data):
            _, mask, _, length = _HEAD.unpack_from(data, at)
            if mask & (_IN_Q_OVERFLOW | _IN_IGNORED):
                return None
            found.add(os.fsdecode(data[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")))
            at += _HEAD.size + length
        return found

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
