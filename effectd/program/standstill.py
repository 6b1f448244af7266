"""Whether a process was stopped (SIGSTOP, Ctrl-Z), from /proc."""

from pathlib import Path


def stopped(pid: int) -> bool:
    """State T of proc(5); one that is being debugged (t) is left alone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
