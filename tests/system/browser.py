"""A client of a home's page that knows nothing of it but HTTP."""

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any


class Browser:
    """A client of one page. `ask` returns status, headers and body, as JSON where it is."""

    def __init__(self, port: int, user: tuple[str, str] | None = None, **headers: str) -> None:
        self.port, self.headers = port, headers
        if user is not None:
            self.headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()

    def ask(
        self, method: str, path: str, body: Any = None, limit: float = 20.0, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        given = {"Content-Type": "application/json"} if body is not None else {}
        given |= self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        kind = answer.headers.get("Content-Type", "")
        said = json.loads(text) if kind.startswith("application/json") else text.decode()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, said

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        status, _, said = self.ask("GET", path, **headers)
        return status, said

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        status, _, said = self.ask("POST", path, body, **headers)
        return status, said

    def stream(self, path: str) -> "Listening":
        return Listening(self.port, path, self.headers)


class Listening:
    """Server-Sent Events, as they come: (name, data)."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()

    def events(self) -> Iterator[tuple[str, Any]]:
        name = "message"
        while line := self.answer.readline():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)
                name = "message"

    def until(self, found: Any) -> Any:
        """The first event of which `found(name, data)` holds."""
        return next(data for name, data in self.events() if found(name, data))

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *_: Any) -> None:
        self.answer.close()
        self._connection.close()
