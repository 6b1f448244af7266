"""Reads the body of a request, with limits on size and time, and only of the expected type."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from page_proc.replies import Refused

SMALL_BYTES = 64 * 1024  # of an effect (section 1 of the contract), and of everything but documents
WITHIN_S = 10.0
JSON = ("application/json",)
DOCUMENT = (*JSON, "application/xml", "text/xml")


async def read(
    request: Request, *, limit: int = SMALL_BYTES, kinds: tuple[str, ...] = JSON, within_s: float = WITHIN_S
) -> bytes:
    """The body; empty where none was sent. Raises Refused: 400, 413, 415."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Refused(400, f"the body did not come within {within_s:g} s", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Refused(400, "the body ended too early") from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (data or kind) and kind not in kinds and not (kind.endswith("+json") and JSON[0] in kinds):
        raise Refused(415, f"Content-Type must be {' or '.join(kinds)} here, not {kind[:60] or 'none'}")
    return bytes(data)


async def fields(request: Request) -> dict[str, Any]:
    """A small JSON object; {} where no body was sent."""
    data = await read(request)
    if not data.strip():
        return {}
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused(400, "the body is a JSON object, or empty")
    return value


def known(value: dict[str, Any], *names: str) -> None:
    """Raises Refused at an unknown field."""
    for name in value:
        if name not in names:
            raise Refused(400, f"{name[:64]}: unknown field; known are {', '.join(names) or 'none'}")


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body may have at most {limit} bytes", {"Connection": "close"})
