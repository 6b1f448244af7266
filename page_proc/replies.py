"""Makes HTTP responses: JSON, and refusals with a reason; never cached."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response


class Refused(Exception):
    """An error response: its status and a reason on which the client's author can act."""

    def __init__(self, code: int, reason: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(reason)
        self.code, self.headers = code, headers
        self.body = {"status": "refused", "reason": reason} | more

    def response(self) -> Response:
        return json(self.body, self.code, self.headers)


def json(value: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return raw(msgspec.json.encode(value), code, headers)


def raw(body: bytes, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is encoded already."""
    return Response(body, code, {"Cache-Control": "no-store"} | dict(headers or {}), "application/json")
