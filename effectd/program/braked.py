"""Delays the start of an asyncio program that keeps crashing, and reports that on its gate."""

import asyncio
import contextlib

from effectd.program.process import Process


async def braked(process: Process, stopping: asyncio.Event) -> None:
    """Wait as long as its brake is on, or until `stopping`."""
    if process.wait_s:
        process.gate.say("waiting", f"crash-loop: it starts again after {process.wait_s:g} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), process.wait_s)
        process.wait_s = 0.0
