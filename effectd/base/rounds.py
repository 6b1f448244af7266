"""What a process looks at again and again is looked at together, so that it wakes up once for all of it.

Each waking costs some 0.1 ms of a core; a driver has seven such looks, and a room has dozens of drivers.
"""

import weakref

from effectd.base.loop import AnyLoop

_origins: weakref.WeakKeyDictionary[AnyLoop, float] = weakref.WeakKeyDictionary()


def next_round(loop: AnyLoop, every_s: float) -> float:
    """Seconds until the next look of those that come every `every_s`: a half to one and a half of that.

    All rounds of a loop are counted from one moment, so that those of 0.25, 0.5 and 1 s meet. It is another moment in
    each process: a room whose programs all woke up together would be late for an effect.
    """
    now = loop.time()
    wait = every_s - (now - _origins.setdefault(loop, now)) % every_s
    return wait if wait >= every_s / 2 else wait + every_s
