"""One connection to the page: there are not too many, and none says nothing for ever."""

import asyncio
import json
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from page_proc import visitor
from page_proc.visitor import CONNECTIONS, Visitor


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.aborted = self.closed = False
        self.written = b""

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def come(state: ServerState) -> tuple[Visitor, Transport]:
    config = Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    config.load()
    one, transport = Visitor(config=config, server_state=state, app_state={}), Transport()
    one.connection_made(transport)
    return one, transport


def test_one_too_many_is_let_go_and_the_others_stay():
    async def run() -> list[bool]:
        state = ServerState()
        return [come(state)[1].aborted for _ in range(CONNECTIONS + 1)]

    assert asyncio.run(run()) == [False] * CONNECTIONS + [True]


@pytest.mark.parametrize(
    "said", [[], [b"GET / HTTP/1.1\r\nHost: a\r\n"], [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /"]], ids=str
)
def test_who_does_not_finish_the_head_of_a_request_is_let_go(monkeypatch, said):
    monkeypatch.setattr(visitor, "FIRST_WITHIN_S", 0.05)

    async def run() -> None:
        one, transport = come(ServerState())
        for data in said:
            one.data_received(data)
            while one.cycle is not None and not one.cycle.response_complete:
                await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while not transport.aborted:
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_what_is_no_http_is_refused_in_the_form_of_every_other_refusal():
    async def run() -> bytes:
        one, transport = come(ServerState())
        one.data_received(b"nonsense\r\n\r\n")
        assert transport.closed
        return transport.written

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["status"] == "refused"
