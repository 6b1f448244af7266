"""The page while others are dead, hung or in its way; and the others while the page is."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.system.browser import Browser
from tests.system.home import Home, wait_for
from tests.system.page_home import home

__all__ = ["home"]  # fixture


@pytest.fixture
def browser(home: Home) -> Iterator[Browser]:
    yield Browser(home.config["page"]["port"])
    home.wait_ready()


def test_without_a_broker_the_page_serves_says_so_and_is_back_with_it(home, browser):
    home.order("stop", "broker")
    try:
        wait_for(lambda: not browser.get("/api/room")[1]["broker"]["connected"])
        assert browser.get("/api/room")[1]["broker"]["reason"] == "broker is not running"
        assert browser.get("/")[0] == 200
        status, said = browser.get("/api/health")
        assert (status, said["programs"]["broker"]["state"]) == (503, "stopped")
        status, said = browser.post("/api/effects/wind", "60")
        assert (status, said["status"]) == (503, "refused")
        assert browser.post("/api/timelines/film/load", {"effects": []})[0] == 503
    finally:
        home.order("start", "broker")
    home.wait_ready()
    wait_for(lambda: browser.get("/api/room")[1]["broker"]["connected"])
    assert browser.post("/api/effects/wind", {"duration": 10})[0] == 200


def test_a_stop_goes_past_a_dead_broker_and_a_dead_dispatcher(home, browser):
    assert browser.post("/api/effects/light", {"duration": 0})[0] == 200
    for program in ("dispatcher", "broker"):
        home.order("stop", program)
    try:
        began = time.monotonic()
        status, said = browser.post("/api/stop")
        took_s = time.monotonic() - began
        assert (status, said) == (200, {"devices": dict.fromkeys(home.config["devices"], "off")})
        assert took_s < 1.9  # nobody was waited for until the limit; how fast it is, benchmarks/page.py measures
        status, said = browser.post("/api/hold", {"name": "anna"})
        assert (status, set(said["devices"].values())) == (200, {"off"})
        assert browser.post("/api/release", {"name": "anna"})[0] == 200
    finally:
        for program in ("broker", "dispatcher"):
            home.order("start", program)


def test_a_dispatcher_that_hangs_is_not_waited_for(home, browser):
    pid = home.kill("dispatcher", signal.SIGSTOP)
    try:
        status, said = browser.post("/api/stop")
        assert (status, set(said["devices"].values())) == (200, {"off"})
    finally:
        with contextlib.suppress(ProcessLookupError):  # the watchdog was quicker
            os.kill(pid, signal.SIGCONT)


def test_a_stop_that_a_driver_does_not_confirm_is_504_and_says_which(home, browser):
    home.order("stop", "wind")
    try:
        status, said = browser.post("/api/stop")
        assert (status, said["devices"]["wind"], said["devices"]["light"]) == (504, "unconfirmed", "off")
        assert said["reasons"] == {"wind": "it does not run"}
    finally:
        home.order("start", "wind")


def test_an_effect_without_a_dispatcher_is_503_and_one_that_waits_for_its_driver_202_or_its_end(home, browser):
    home.order("stop", "dispatcher")
    try:
        status, said = browser.post("/api/effects/wind", {"id": "unheard"})
        assert (status, said["status"]) == (503, "refused")
    finally:
        home.order("start", "dispatcher")
    home.wait_ready()
    home.order("stop", "wind")
    try:
        status, receipt = browser.post("/api/effects/wind", {"id": "waits", "ttl_ms": 60_000, "duration": 10})
        assert (status, receipt["status"]) == (202, "accepted")
        status, receipt = browser.post("/api/effects/wind", {"id": "late", "ttl_ms": 500})
        assert (status, receipt["status"]) == (409, "expired")
    finally:
        home.order("start", "wind")


def test_a_page_that_is_killed_or_hangs_is_back_and_nobody_else_notices(home, browser):
    others = {name: pid for name, pid in home.pids().items() if name != "page"}
    for sig in (signal.SIGKILL, signal.SIGSTOP):
        before = home.kill("page", sig)
        client = home.client("receipts/#")
        client.publish("effects/wind", {"id": f"meanwhile-{sig}", "duration": 10})
        assert client.receipt(f"meanwhile-{sig}")["status"] == "done"
        wait_for(lambda before=before: (home.line("page") or {"pid": before})["pid"] != before, what="a new page")
        home.wait_ready()
        assert browser.get("/api/health")[1]["programs"]["page"]["state"] == "ready"
    assert {name: pid for name, pid in home.pids().items() if name != "page"} == others


def test_a_port_that_another_program_has_is_named_and_taken_as_soon_as_it_is_free(home, browser):
    home.order("stop", "page")
    wait_for(lambda: home.line("page") is None)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", browser.port))
        other.listen()
        home.order("start", "page")
        line = wait_for(lambda: (line := home.line("page")) and line["reason"].startswith("port ") and line)
        assert line["state"] == "ready"
        assert line["reason"].startswith(f"port {browser.port} of 127.0.0.1 is held by ")
        done = home.effectd("up")
        assert done.returncode == 3
        assert "there is no page; everything else works" in done.stdout
    wait_for(lambda: home.line("page")["reason"] == "")
    assert browser.get("/")[0] == 200


def test_the_commands_name_the_page(home, browser):
    url = f"http://127.0.0.1:{browser.port}"
    done = home.effectd("up")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"the page: {url}")
    done = home.effectd("open", "--no-browser")
    assert (done.returncode, done.stdout) == (0, f"{url}\n")


def test_devices_that_are_added_are_on_the_page_at_once_without_a_new_process(home, browser):
    before = home.pid("page")
    with browser.stream("/api/live") as listening:
        done = home.effectd("device", "add", "mist", "--kind", "virtual", "--effect", "fog")
        assert done.returncode == 0, done.stderr
        listening.until(lambda name, said: name == "room" and "mist" in said["devices"])
    home.wait_ready()
    assert home.pid("page") == before
    assert browser.post("/api/stop")[1]["devices"]["mist"] == "off"
    assert home.effectd("device", "remove", "mist").returncode == 0
    assert "mist" not in browser.post("/api/stop")[1]["devices"]
