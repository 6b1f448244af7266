"""Serves the page's static files from memory, with an ETag so that browsers can cache them."""

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from page_proc.replies import Refused

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}


class Files:
    """`answer` by name: `index.html`. Only files that are in the folder at the start are served."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
                self._files[str(path.relative_to(folder))] = data, kind, tag

    def answer(self, request: Request, name: str) -> Response:
        """Raises Refused."""
        if name not in self._files:
            raise Refused(404, f"there is no file {name[:80]!r}")
        data, kind, tag = self._files[name]
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=kind)
