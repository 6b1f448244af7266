"""A thread that gives way to the loop."""

import os
import threading


def be_nice(by: int) -> None:
    """The calling thread alone: on Linux the priority is a thread's own (setpriority(2))."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), by)
