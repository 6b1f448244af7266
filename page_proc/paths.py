"""The table of paths: the handler of each, and its description for OpenAPI."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route, Router

from page_proc.api import Api
from page_proc.replies import Refused

Answer = Callable[[Request], Awaitable[Any]]

JSON, TEXT, HTML, EVENTS, XML = "application/json", "text/plain", "text/html", "text/event-stream", "application/xml"
NOTHING: Mapping[str, Any] = {}


class Path(NamedTuple):
    """One row. `good`: the schema of its successful answer, of the type `kind`; `codes`: its other answers.

    `body`: schemas of the request body, by type; `rules`: of the path parameters.
    """

    method: str
    path: str
    answer: Answer
    does: str
    good: str = "object"
    kind: str = JSON
    codes: tuple[int, ...] = ()
    body: Mapping[str, str] = NOTHING
    needed: bool = False  # whether the body is required
    rules: Mapping[str, Any] = NOTHING
    operate: bool = False


NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,31}$"}
TYPE = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[^+#/]+$"}
ORDER = {"type": "string", "enum": ["play", "pause", "resume", "seek", "stop"]}


def table(api: Api) -> list[Path]:
    device, program, timeline = {"device": NAME}, {"program": NAME}, {"name": NAME}
    return [
        Path("GET", "/", api.index, "The room, live.", "text", HTML),
        Path("GET", "/static/{name:path}", api.static, "A file of the page.", "text", TEXT, codes=(404,)),
        Path("GET", "/login", api.login_page, "The page of the login.", "text", HTML),
        Path(
            *("POST", "/login", api.log_in, "Start a session, with a cookie for the user."),
            codes=(400, 401, 409),
            body={JSON: "Login"},
            needed=True,
        ),
        Path("POST", "/logout", api.log_out, "End the session."),
        Path("GET", "/api/me", api.me, "The user, and what they may do.", "Me"),
        Path(
            *("GET", "/api/health", api.health, "Who is ready; 503: not all are. As `effectd health --json`."),
            *("Health", JSON, (503,)),
        ),
        Path("GET", "/metrics", api.metrics, "Figures for Prometheus (docs/metrics.md).", "text", TEXT),
        Path("GET", "/api/room", api.room, "The whole picture of the room.", "Room"),
        Path(
            *("GET", "/api/live", api.live, "The picture, then its changes, as named events.", "text", EVENTS),
            codes=(429,),
        ),
        Path(
            *(
                "GET",
                "/api/events",
                api.events,
                "Retained messages, then each new one: an event is a line of `watch --json`.",
            ),
            *("text", EVENTS, (429,)),
        ),
        Path(
            *("POST", "/api/effects/{type}", api.fire, "Fire an effect; answered with its receipt."),
            *("Receipt", JSON, (202, 400, 409, 413, 415, 422, 503)),
            body={JSON: "Effect"},
            needed=True,
            rules={"type": TYPE},
        ),
        Path("POST", "/api/stop", api.stop, "Everything off, bypassing broker and dispatcher.", "Off", codes=(504,)),
        Path(
            *("POST", "/api/stop/{device}", api.stop_one, "One device off.", "Off"),
            codes=(404, 504),
            rules=device,
        ),
        Path(
            *("POST", "/api/hold", api.hold, "Off, and kept off until the name is released.", "Held"),
            codes=(400, 404, 504),
            body={JSON: "Hold"},
        ),
        Path(
            *("POST", "/api/release", api.release, "End a hold.", "Held"),
            codes=(400, 504),
            body={JSON: "Release"},
        ),
        Path(
            *("POST", "/api/timelines/{name}/load", api.timeline_load, "Load a timeline, or replace it."),
            *("Timeline", JSON, (400, 409, 413, 415, 422, 503)),
            body={JSON: "object", XML: "text"},
            needed=True,
            rules=timeline,
        ),
        Path(
            *("POST", "/api/timelines/{name}/{order}", api.timeline_order, "Move a timeline; answered with its state."),
            *("Timeline", JSON, (400, 404, 409, 503)),
            body={JSON: "Order"},
            rules=timeline | {"order": ORDER},
        ),
        Path(
            *("POST", "/api/restart/{program}", api.restart, "Stop a program and start it again."),
            codes=(404, 409, 503),
            rules=program,
            operate=True,
        ),
        Path(
            *("GET", "/api/logs/{program}", api.logs, "The last lines of a program's log.", "text", TEXT),
            codes=(400, 404),
            rules=program,
            operate=True,
        ),
        Path(
            *("POST", "/api/dead-letters/{n}/send", api.send_again, "Send an effect again, under a new id.", "Receipt"),
            codes=(202, 404, 409, 422, 503),
            rules={"n": {"type": "integer", "minimum": 1}},
            operate=True,
        ),
        Path("GET", "/api/openapi.json", api.openapi, "This document.", "object"),
    ]


class Paths:
    """An ASGI application: the router, with all refusals in one format."""

    def __init__(self, api: Api) -> None:
        routes = [Route(path.path, _Endpoint(path.answer), methods=[path.method]) for path in table(api)]
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = self  # makes the router raise instead of answering when nothing matches
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
