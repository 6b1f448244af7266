"""The table of paths: what answers where."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route, Router

from page_proc.api import Api
from page_proc.replies import Refused

Answer = Callable[[Request], Awaitable[Any]]


def table(api: Api) -> list[tuple[str, str, Answer]]:
    return [
        ("GET", "/", api.index),
        ("GET", "/static/{name:path}", api.static),
        ("GET", "/login", api.login_page),
        ("POST", "/login", api.log_in),
        ("POST", "/logout", api.log_out),
        ("GET", "/api/me", api.me),
        ("GET", "/api/health", api.health),
        ("GET", "/api/room", api.room),
        ("GET", "/api/live", api.live),
        ("GET", "/api/events", api.events),
        ("POST", "/api/effects/{type}", api.fire),
        ("POST", "/api/stop", api.stop),
        ("POST", "/api/stop/{device}", api.stop_one),
        ("POST", "/api/hold", api.hold),
        ("POST", "/api/release", api.release),
        ("POST", "/api/timelines/{name}/load", api.timeline_load),
        ("POST", "/api/timelines/{name}/{order}", api.timeline_order),
        ("POST", "/api/restart/{program}", api.restart),
        ("GET", "/api/logs/{program}", api.logs),
        ("POST", "/api/dead-letters/{n}/send", api.send_again),
    ]


class Paths:
    """An ASGI application: the router, and every refusal in one form."""

    def __init__(self, api: Api) -> None:
        routes = [Route(path, _Endpoint(answer), methods=[method]) for method, path, answer in table(api)]
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = self  # so that the router raises, and does not answer, where nothing is found
        try:
            await self._router(scope, receive, send)
            return
        except Refused as refused:
            response = refused.response()
        except HTTPException as error:
            what = f"{scope['method']} {scope['path'][:80]}"
            reason = f"there is no {what}" if error.status_code == 404 else f"{what}: {error.detail}"
            response = Refused(error.status_code, reason, error.headers).response()
        await response(scope, receive, send)


class _Endpoint:
    """An ASGI application, as a Route takes one: its answer is a Response, or a stream."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)
