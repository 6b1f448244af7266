"""Checks whether a process is stopped (SIGSTOP, Ctrl-Z), by /proc."""

from pathlib import Path


def stopped(pid: int) -> bool:
    """State T of proc(5); a process that is being debugged (t) does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
