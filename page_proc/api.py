"""What each path of the page does; one method a path."""

import getpass
import os
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from effectd.base.near import did_you_mean
from effectd.messages import holds
from effectd.supervision import health
from page_proc import bodies, guest, replies
from page_proc.live import View
from page_proc.replies import Refused

if TYPE_CHECKING:
    from page_proc.page import Page


class Api:
    """Of one page. Each method raises Refused where the answer is no."""

    def __init__(self, page: "Page") -> None:
        self._page = page

    async def index(self, request: Request) -> Response:
        return self._page.files.answer(request, "index.html")

    async def static(self, request: Request) -> Response:
        return self._page.files.answer(request, request.path_params["name"])

    async def me(self, request: Request) -> Response:
        return replies.json(self._me(request))

    async def health(self, _request: Request) -> Response:
        programs = self._page.programs
        await programs.refresh()
        rows = programs.rows
        return replies.raw(health.as_json(rows), 200 if health.all_ready(rows) else 503)

    async def room(self, request: Request) -> Response:
        await self._page.programs.refresh()
        return replies.json(self._view(request).room())

    async def live(self, request: Request) -> Any:
        live = self._page.live
        if live.full:
            raise _crowded()
        self._page.programs.ask()
        return live.begin(self._view(request))

    async def events(self, request: Request) -> Any:
        events, who = self._page.events, guest.of(request)
        if events.full:
            raise _crowded()
        return events.begin(None if who.sees_all else who.sees)

    async def effect(self, request: Request) -> Response:
        guest.of(request).need(self._page.topics.effect(request.path_params["type"]))
        return await self._page.effects.post(request)

    async def stop(self, request: Request) -> Response:
        await bodies.read(request, kinds=())
        return await self._stop(None)

    async def stop_one(self, request: Request) -> Response:
        await bodies.read(request, kinds=())
        device, known = request.path_params["device"], self._page.config.devices
        if device not in known:
            raise Refused(404, f"no device {device[:40]!r}{did_you_mean(device, known)}")
        return await self._stop(device)

    async def hold(self, request: Request) -> Response:
        fields = await bodies.fields(request)
        bodies.known(fields, "name", "reason", "target")
        name, reason, target = self._holder(request, fields), fields.get("reason") or "", fields.get("target") or []
        target = [target] if isinstance(target, str) else target
        if not isinstance(reason, str) or not isinstance(target, list):
            raise Refused(400, "reason is a text, target a list of devices and zones")
        known = set(self._page.config.devices) | {z for d in self._page.config.devices.values() for z in d.zones}
        if unknown := [str(word) for word in target if word not in known]:
            raise Refused(404, f"target: {unknown[0][:40]!r} is no device and no zone{did_you_mean(unknown[0], known)}")
        asked = {"do": "hold", "name": name, "reason": reason, "target": target or None}
        return await self._hold(name, asked, holds.encode(reason, target))

    async def release(self, request: Request) -> Response:
        fields = await bodies.fields(request)
        bodies.known(fields, "name")
        name = self._holder(request, fields)
        return await self._hold(name, {"do": "release", "name": name}, b"")

    def _view(self, request: Request) -> View:
        return self._page.view(guest.of(request))

    def _me(self, request: Request) -> dict[str, Any]:
        return guest.of(request).shown(self._page.topics, self._page.config.effects)

    def _holder(self, request: Request, fields: dict[str, Any]) -> str:
        """Whose hold it is: the one that is named, else who asks."""
        name = fields.get("name") or guest.of(request).user or _user()
        if not holds.named(name):
            raise Refused(400, "name: one level of a topic: no / + #, at most 200 bytes")
        guest.of(request).need(self._page.topics.hold(name))
        return str(name)

    async def _stop(self, device: str | None) -> Response:
        outcome = await self._page.stops.stop(self._page.config, device)
        return replies.json(outcome.body, outcome.code)

    async def _hold(self, name: str, asked: dict[str, Any], payload: bytes) -> Response:
        self._page.kept.hear(name, payload)
        outcome = await self._page.stops.hold(self._page.config, name, asked, payload)
        standing = list(self._page.kept.standing.values())
        body = {"name": name} | outcome.body | {"holds": msgspec.to_builtins(standing)}
        return replies.json(body, outcome.code)


def _crowded() -> Refused:
    return Refused(429, "too many pages are open", {"Retry-After": "10"})


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a name
        return f"uid-{os.getuid()}"
