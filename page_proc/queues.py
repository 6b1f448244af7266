"""Asks the dispatcher's gate how much waits in its queues."""

import asyncio
from pathlib import Path
from typing import Any

from effectd.config import programs
from effectd.readiness.gate_request import GateRequest

ANSWER_S = 0.5
QUEUES = ("effects", "open", "receipts", "letters")


async def lengths(run: Path) -> dict[str, int]:
    """{} if it does not answer soon."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[dict[str, Any]] = loop.create_future()

    def replied(said: dict[str, Any]) -> None:
        if not answer.done():
            answer.set_result(said)

    GateRequest(loop, run / f"{programs.DISPATCHER}.gate", {"do": "queues"}, replied)
    await asyncio.wait([answer], timeout=ANSWER_S)
    found = answer.result().get("queues") if answer.done() else None
    return {name: int(found[name]) for name in QUEUES if name in found} if isinstance(found, dict) else {}
