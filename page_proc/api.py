"""The handlers of the HTTP API, one method per path."""

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from effectd.base.near import did_you_mean
from effectd.messages import effect, holds
from effectd.messages.topics import DEVICE_ID
from effectd.program.holds import own_name
from effectd.supervision import health
from page_proc import bodies, guest, queues, replies
from page_proc.live import View
from page_proc.metrics import CONTENT_TYPE
from page_proc.operator import LINES
from page_proc.programs import cpu_seconds
from page_proc.replies import Refused
from page_proc.timelines import DOCUMENT_BYTES, WANTED

if TYPE_CHECKING:
    from page_proc.page import Page


_FIELDS: dict[str, dict[str, Any]] = {
    "play": {"from_ms": int | float, "loop": bool},
    "seek": {"position_ms": int | float},
}


class Api:
    """The handlers of one page. Each raises Refused to refuse a request."""

    def __init__(self, page: "Page") -> None:
        self._page = page

    async def index(self, request: Request) -> Response:
        return self._page.files.answer(request, "index.html")

    async def static(self, request: Request) -> Response:
        return self._page.files.answer(request, request.path_params["name"])

    async def login_page(self, request: Request) -> Response:
        return self._page.files.answer(request, "login.html")

    async def log_in(self, request: Request) -> Response:
        fields = await bodies.fields(request)
        bodies.known(fields, "name", "password")
        name, password = fields.get("name"), fields.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            raise Refused(400, "name and password are needed, both are texts")
        cookie = await self._page.users.log_in(request, name, password)
        return replies.json({"user": name}, headers={"Set-Cookie": cookie})

    async def log_out(self, request: Request) -> Response:
        await bodies.read(request)
        return replies.json({"user": None}, headers={"Set-Cookie": self._page.users.log_out(request)})

    async def me(self, request: Request) -> Response:
        return replies.json(self._me(request))

    async def health(self, _request: Request) -> Response:
        programs = self._page.programs
        await programs.refresh()
        rows = programs.rows
        return replies.raw(health.as_json(rows), 200 if health.all_ready(rows) else 503)

    async def metrics(self, request: Request) -> Response:
        topics, who = self._page.topics, guest.of(request)
        who.need_to_see(topics.system("-"), topics.receipt("-"), topics.state("-"))
        await self._page.programs.refresh()
        # imported on demand: 90 ms and 4 MB
        await asyncio.to_thread(importlib.import_module, "page_proc.exposition")
        shown = self._page.programs.shown()
        busy = {name: used for name, found in shown.items() if (used := cpu_seconds(found["pid"])) is not None}
        waiting = await queues.lengths(self._page.config.home / "run")
        text = self._page.metrics.text(shown, busy, waiting, connected=self._page.connected)
        return Response(text, 200, {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})

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

    async def fire(self, request: Request) -> Response:
        effect_type = request.path_params["type"]
        if len(effect_type) > 64 or set(effect_type) & set("+#\0"):
            raise Refused(404, f"{effect_type[:64]!r} cannot be an effect type")
        guest.of(request).need(self._page.topics.effect(effect_type))
        return await self._page.effects.post(request)

    async def stop(self, request: Request) -> Response:
        await bodies.read(request)
        return await self._stop(None)

    async def stop_one(self, request: Request) -> Response:
        await bodies.read(request)
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
        known = self._page.config.targets
        if unknown := [str(word) for word in target if word not in known]:
            raise Refused(
                404, f"target: {unknown[0][:40]!r} is neither a device nor a zone{did_you_mean(unknown[0], known)}"
            )
        asked = {"do": "hold", "name": name, "reason": reason, "target": target or None}
        return await self._hold(name, asked, holds.encode(reason, target))

    async def release(self, request: Request) -> Response:
        fields = await bodies.fields(request)
        bodies.known(fields, "name")
        name = self._holder(request, fields)
        return await self._hold(name, {"do": "release", "name": name}, b"")

    async def timeline_load(self, request: Request) -> Response:
        name = self._timeline(request, "load")
        document = await bodies.read(request, limit=DOCUMENT_BYTES, kinds=bodies.DOCUMENT, within_s=60)
        if not document.strip():
            raise Refused(400, "the document is missing: JSON or XML (docs/timelines.md)")
        return replies.json(await self._page.timelines.load(name, document))

    async def timeline_order(self, request: Request) -> Response:
        word = request.path_params["order"]
        if word not in WANTED:
            raise Refused(404, f"there is no {word[:40]!r}; known are {', '.join(WANTED)}")
        name = self._timeline(request, word)
        fields = await bodies.fields(request)
        bodies.known(fields, *_FIELDS.get(word, ()))
        if not all(isinstance(fields.get(key), kind | None) for key, kind in _FIELDS.get(word, {}).items()):
            raise Refused(400, f"{word}: {', '.join(_FIELDS[word])} has another type than it must have")
        if word == "seek" and "position_ms" not in fields:
            raise Refused(400, "seek: position_ms is missing")
        return replies.json(await self._page.timelines.order(name, word, fields))

    async def restart(self, request: Request) -> Response:
        guest.of(request).need_to_operate()
        await bodies.read(request)
        return replies.json(await self._page.operator.restart(self._page.config, request.path_params["program"]))

    async def logs(self, request: Request) -> Response:
        guest.of(request).need_to_operate()
        lines = request.query_params.get("lines", str(LINES))
        if not lines.isascii() or not lines.isdigit():
            raise Refused(400, "lines: a whole number")
        text = await self._page.operator.log(self._page.config, request.path_params["program"], int(lines[:9]))
        return Response(text, headers={"Cache-Control": "no-store"}, media_type="text/plain")

    async def send_again(self, request: Request) -> Response:
        guest.of(request).need_to_operate()
        await bodies.read(request)
        n = request.path_params["n"]
        found = self._page.picture.dead_letters.effect(int(n)) if n.isascii() and n.isdigit() and len(n) < 16 else None
        if found is None:
            raise Refused(404, f"there is no dead letter {n[:20]} that could be sent again")
        effect_type, payload = found
        guest.of(request).need(self._page.topics.effect(effect_type))
        return await self._page.effects.send(effect_type, payload, effect_id=effect.new_id())

    async def openapi(self, _request: Request) -> Response:
        from page_proc import openapi, paths  # made on demand, which is rare

        return replies.json(openapi.document(paths.table(self)))

    def _timeline(self, request: Request, word: str) -> str:
        name = str(request.path_params["name"])
        if not DEVICE_ID.fullmatch(name):
            raise Refused(400, "a timeline's name is 1 to 32 of a-z, 0-9 and -")
        guest.of(request).need(self._page.topics.timeline(name, word))
        return name

    def _view(self, request: Request) -> View:
        return self._page.view(guest.of(request))

    def _me(self, request: Request) -> dict[str, Any]:
        return guest.of(request).shown(self._page.topics, self._page.config.effects)

    def _holder(self, request: Request, fields: dict[str, Any]) -> str:
        """Whose hold it is: the given name, else the user."""
        name = fields.get("name") or guest.of(request).user or own_name()
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
