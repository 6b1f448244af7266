"""Checks each request before anything else: host name, origin, rate and login."""

import asyncio
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from effectd.config import exposure
from effectd.config.schema import Page
from page_proc import hosts
from page_proc.rates import Rates
from page_proc.replies import Refused
from page_proc.users import CHALLENGE, Users

POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'"),
        *("font-src 'self'", "manifest-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)
SECURE = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
LOGIN = "/login"
OPEN = (LOGIN, "/logout")  # without a login, with everything in /static/
NEVER_TOO_OFTEN = ("/api/stop", "/api/hold")  # paths that keep people safe


class Door:
    """An ASGI application around the page's own."""

    def __init__(self, app: Any, page: Page, users: Users) -> None:
        self._app, self._users = app, users
        self._names = exposure.own_names() | {name.lower() for name in page.names}
        self._rates = Rates(asyncio.get_running_loop().time)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["effectd.headers"] = SECURE  # for a stream, which starts its response itself

        async def say(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in SECURE if one[0] not in given)]
            await send(message)

        try:
            response = await self._look(HTTPConnection(scope), scope["method"])
        except Refused as refused:
            response = refused.response()
        await (response or self._app)(scope, receive, say)

    async def _look(self, request: HTTPConnection, method: str) -> Response | None:
        """A response of the door's own; None: the request may pass, as the user in the scope. Raises Refused."""
        self._look_at_names(request, method)
        path, client = request.scope["path"], request.client.host if request.client is not None else ""
        if not path.startswith(NEVER_TOO_OFTEN) and not self._rates.take(client):
            raise Refused(429, "too many requests: at most 200 a second", {"Retry-After": "1"})
        guest = None if path in OPEN or path.startswith("/static/") else await self._users.guest(request)
        request.scope["effectd.guest"] = guest
        if guest is not None or path in OPEN or path.startswith("/static/"):
            return None
        if method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(LOGIN, 303, {"Cache-Control": "no-store"})
        # a browser would show its own password dialog; the page has a better one
        challenge = f'Session login="{LOGIN}"' if "sec-fetch-site" in request.headers else CHALLENGE
        raise Refused(401, "a user of this home has to log in: by Basic, or at /login", {"WWW-Authenticate": challenge})

    def _look_at_names(self, request: HTTPConnection, method: str) -> None:
        headers = request.headers
        host, origin = headers.get("host", ""), headers.get("origin")
        name = hosts.name_of(host)
        if not hosts.may_be_called(name, self._names):
            why = f"{name[:80]!r} is not a known name of this machine; to add it: page.names: [{name[:80]}]"
            raise Refused(403, f"Host: {why}")
        if origin is not None and not hosts.is_own_page(origin, host):
            raise Refused(403, f"Origin: {origin[:80]} is a different site")
        # browsers send this even without Origin; a link that a user follows may come from anywhere
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
            method not in ("GET", "HEAD") or headers.get("sec-fetch-mode") != "navigate"
        ):
            raise Refused(403, "Sec-Fetch-Site: requests from another site's page are not allowed")
