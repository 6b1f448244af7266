"""The page's door: names, origins, rates and sessions, and who does not read is let go."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.config.schema import Page
from page_proc import hosts
from page_proc.door import Door
from page_proc.guest import Guest
from page_proc.rates import Rates
from page_proc.sessions import IDLE_S, LONGEST_S, MOST, Sessions
from page_proc.stream import MOST_BYTES, Stream

OWN = {"room", "room.example", "room.local", "show.example"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8090", "127.0.0.1", "[::1]:8090", "10.1.2.3:80", "room.", "Room.Example", "show.example"],
)
def test_the_machines_own_names_and_any_address_may_be_called(host):
    assert hosts.may_be_called(hosts.name_of(host), OWN)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:8090", "room.evil.example", "127.0.0.1.evil.example", "localhost.evil"),
        *(
            "localhost?",
            "localhost#",
            "localhost\\x",
            "user@localhost",
            "localhost/x",
            "localhost evil",
            "[::1",
            "127.1",
            "0x7f.1",
            "localhost@evil.example",
        ),
    ],
)
def test_any_other_name_may_not(host):
    assert not hosts.may_be_called(hosts.name_of(host), OWN)


@given(st.text(max_size=40))
def test_no_text_as_a_host_breaks_anything(text):
    assert hosts.may_be_called(hosts.name_of(text), OWN) in (True, False)
    assert hosts.is_own_page(text, text) in (True, False)


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://localhost:8090", "localhost:8090", True),
        ("https://show.example", "show.example:443", True),
        ("http://SHOW.example:80", "show.example", True),
        ("http://localhost:8091", "localhost:8090", False),
        ("http://evil.example", "localhost:8090", False),
        ("null", "localhost:8090", False),
        ("", "localhost:8090", False),
        ("file://", "localhost:8090", False),
        ("http://[", "[", False),
        ("http://localhost:8090@evil.example", "localhost:8090", False),
    ],
)
def test_a_page_is_its_own_by_its_whole_origin(origin, host, own):
    assert hosts.is_own_page(origin, host) is own


def test_a_client_has_its_own_bucket_which_fills_again_with_time():
    clock = Clock()
    rates = Rates(clock, rate_hz=10, burst=5)
    assert [rates.take("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert rates.take("b")
    clock.now += 0.2
    assert [rates.take("a") for _ in range(3)] == [True, True, False]


def test_a_session_ends_when_nobody_asks_and_after_a_week_in_any_case():
    clock = Clock()
    sessions = Sessions(clock)
    cookie = sessions.begin("anna", "hash")
    assert sessions.find("another") is None
    found = sessions.find(cookie)
    assert found is not None
    assert (found.user, found.login) == ("anna", "hash")
    for _ in range(int(LONGEST_S / (IDLE_S - 1))):
        clock.now += IDLE_S - 1
        assert sessions.find(cookie) is not None
    clock.now += IDLE_S - 1
    assert sessions.find(cookie) is None
    idle = sessions.begin("anna", "hash")
    clock.now += IDLE_S + 1
    assert sessions.find(idle) is None


def test_of_too_many_sessions_the_oldest_end():
    sessions = Sessions(Clock())
    cookies = [sessions.begin("anna", "hash") for _ in range(MOST + 1)]
    assert sessions.find(cookies[0]) is None
    assert sessions.find(cookies[-1]) is not None


class Nobody:
    async def guest(self, _request: Any) -> None:
        return None


class Everybody:
    async def guest(self, _request: Any) -> Guest:
        return Guest(None, None, operate=True)


EVERYBODY = Everybody()


def statuses(*requests: tuple[str, str, dict[str, str]], burst: float = 100, users: Any = EVERYBODY) -> list[int]:
    """The status of each of the door's answers; 0: it has let that one through."""

    async def run() -> list[int]:
        found: list[int] = []

        async def within(_scope: Any, _receive: Any, _send: Any) -> None:
            found.append(0)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                found.append(message["status"])

        door = Door(within, Page(names=("show.example",)), users)
        door._rates = Rates(lambda: 0.0, burst=burst)
        for method, path, more in requests:
            headers = [(name.encode(), value.encode()) for name, value in ({"host": "localhost"} | more).items()]
            scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
            scope |= {"client": ("127.0.0.1", 1), "scheme": "http", "server": ("127.0.0.1", 8090), "state": {}}
            await door(scope, None, send)
        return found

    return asyncio.run(run())


def test_too_many_requests_are_429_and_a_stop_never_is():
    many = [("GET", "/api/health", {})] * 4
    assert statuses(*many, ("POST", "/api/stop", {}), ("POST", "/api/hold", {}), burst=3) == [0, 0, 0, 429, 0, 0]


def test_only_the_path_itself_decides_what_is_open_without_a_login():
    requests = [("GET", "/static/page.js", {}), ("GET", "/api/static/", {}), ("POST", "/login/", {})]
    requests += [
        ("GET", "/api/room", {"host": host}) for host in ("localhost/static/?", "localhost#/static/", "localhost?")
    ]
    assert statuses(*requests, users=Nobody()) == [0, 401, 401, 403, 403, 403]


def test_a_browser_that_comes_from_another_site_may_look_but_not_ask():
    there = {"sec-fetch-site": "cross-site"}
    led = there | {"sec-fetch-mode": "navigate"}
    assert statuses(("GET", "/", led), ("GET", "/api/room", there), ("POST", "/api/stop", led)) == [0, 403, 403]
    assert statuses(("GET", "/", {"host": "show.example"}), ("GET", "/", {"host": "show.evil"})) == [0, 403]


class Visitor:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_who_does_not_read_the_events_is_let_go():
    async def run() -> None:
        reader, visitor, stuck = Stream(), Visitor(), asyncio.Event()

        async def send(_message: Any) -> None:
            await stuck.wait()

        async def receive() -> Any:
            await stuck.wait()
            return {"type": "http.disconnect"}

        scope = {"state": {"visitor": visitor}, "effectd.headers": []}
        task = asyncio.ensure_future(reader(scope, receive, send))
        await asyncio.sleep(0)
        for _ in range(MOST_BYTES // 1000 + 1):
            assert not visitor.aborted
            reader.write(b"x" * 1000)
        assert visitor.aborted
        assert reader.closed
        stuck.set()
        await asyncio.wait_for(task, 5)

    asyncio.run(run())


def test_a_stream_ends_with_its_client_and_says_now_and_then_that_it_lives():

    async def run() -> list[bytes]:
        reader, gone, said = Stream(0.01), asyncio.Event(), []

        async def send(message: Any) -> None:
            said.append(message.get("body", b""))
            if len(said) > 3:
                gone.set()

        async def receive() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        await asyncio.wait_for(reader({"state": {}, "effectd.headers": []}, receive, send), 10)
        assert reader.closed
        return said

    assert b": \n\n" in asyncio.run(run())
