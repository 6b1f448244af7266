"""A program on asyncio that keeps crashing waits before it starts again, and says so."""

import asyncio
import contextlib

from effectd.program.process import Process


async def braked(process: Process, stopping: asyncio.Event) -> None:
    """As long as its brake is on, or until `stopping`."""
    if process.wait_s:
        process.gate.say("waiting", f"crash-loop: it starts again after {process.wait_s:g} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), process.wait_s)
        process.wait_s = 0.0
