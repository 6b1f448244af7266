"""Who may come in, before anything else is looked at: by which name, from which page, how often, as whom."""

import logging
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from effectd.config.schema import Page
from page_proc import hosts
from page_proc.guest import Guest
from page_proc.replies import Refused

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

log = logging.getLogger(__name__)


class Door:
    """An ASGI application around the page's own."""

    def __init__(self, app: Any, page: Page) -> None:
        self._app = app
        self._names = hosts.own_names() | {name.lower() for name in page.names}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["effectd.headers"] = SECURE
        scope["effectd.guest"] = Guest(None, None, operate=True)

        async def say(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in SECURE if one[0] not in given)]
            await send(message)

        response: Response | None = None
        try:
            self._look(Headers(scope=scope), scope["method"])
        except Refused as refused:
            response = refused.response()
        await (response or self._app)(scope, receive, say)

    def _look(self, headers: Headers, method: str) -> None:
        """Raises Refused."""
        host, origin = headers.get("host", ""), headers.get("origin")
        name = hosts.name_of(host)
        if not hosts.may_be_called(name, self._names):
            why = f"{name[:80]!r} is no name of this machine that config.yaml knows; page.names: [{name[:80]}] adds it"
            raise Refused(403, f"Host: {why}")
        if origin is not None and not hosts.is_own_page(origin, host):
            raise Refused(403, f"Origin: {origin[:80]} is another page than this one")
        # a browser says so even where it sends no Origin; a link that somebody follows may come from anywhere
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
            method not in ("GET", "HEAD") or headers.get("sec-fetch-mode") != "navigate"
        ):
            raise Refused(403, "Sec-Fetch-Site: another site's page may not ask this")
