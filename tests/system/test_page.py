"""The page's HTTP on a real home: effects with receipts, stops, holds, events, and who is let in."""

import json

import pytest

from tests.system.home import wait_for
from tests.system.page_home import browser, home

__all__ = ["browser", "home"]  # fixtures


def test_an_effect_is_answered_with_its_final_receipt(browser):
    status, receipt = browser.post("/api/effects/wind", {"id": "page-1", "intensity": 60, "duration": 50})
    assert (status, receipt["status"], receipt["devices"]) == (200, "done", {"wind": "done"})
    assert receipt["id"] == "page-1"
    assert browser.post("/api/effects/wind", "30")[0] == 200
    assert browser.post("/api/effects/wind", '"low"')[0] == 200


def test_an_effect_that_is_refused_is_422_and_one_that_is_no_json_400(browser):
    status, receipt = browser.post("/api/effects/wind", {"id": "page-2", "intensity": 160})
    assert (status, receipt["status"], receipt["id"]) == (422, "refused", "page-2")
    assert receipt["reason"].startswith("intensity: ")
    status, receipt = browser.post("/api/effects/snow", {"intensity": 60})
    assert (status, receipt["status"]) == (422, "refused")
    status, said = browser.post("/api/effects/wind", "{")
    assert (status, said["status"]) == (400, "refused")
    assert browser.post("/api/effects/wind", "")[0] == 400


def test_an_effect_that_finds_no_device_is_409(browser):
    status, receipt = browser.post("/api/effects/wind", {"target": "light"})
    assert (status, receipt["status"]) == (409, "undeliverable")


def test_an_id_that_is_in_use_for_another_effect_is_422(browser):
    assert browser.post("/api/effects/wind", {"id": "page-3", "intensity": 10, "duration": 10})[0] == 200
    assert browser.post("/api/effects/wind", {"id": "page-3", "intensity": 10, "duration": 10})[0] == 200
    status, receipt = browser.post("/api/effects/wind", {"id": "page-3", "intensity": 20, "duration": 10})
    assert (status, receipt["status"]) == (422, "refused")
    assert "page-3" in receipt["reason"] or "id" in receipt["reason"]


def test_a_stop_names_every_device_and_that_it_is_off(home, browser):
    assert browser.post("/api/effects/light", {"duration": 0})[0] == 200
    status, said = browser.post("/api/stop")
    assert (status, said) == (200, {"devices": dict.fromkeys(home.config["devices"], "off")})
    assert browser.post("/api/stop/light") == (200, {"devices": {"light": "off"}})
    assert browser.post("/api/stop", {})[0] == 200  # some tools cannot send nothing
    assert browser.post("/api/stop", b"", Content_Type="application/json")[0] == 200
    status, said = browser.post("/api/stop/nobody")
    assert (status, said["status"]) == (404, "refused")


def test_health_is_that_of_the_command(home, browser):
    status, said = browser.get("/api/health")
    assert (status, said["ready"]) == (200, True)
    assert said["programs"].keys() == {"broker", "dispatcher", "page", *home.drivers}
    assert (
        said["programs"]["wind"].keys()
        == json.loads(home.effectd("health", "--json").stdout)["programs"]["wind"].keys()
    )


def test_a_hold_stands_until_it_is_released(browser):
    status, said = browser.post("/api/hold", {"name": "anna", "reason": "cleaning"})
    assert (status, set(said["devices"].values())) == (200, {"off"})
    try:
        assert [hold["name"] for hold in said["holds"]] == ["anna"]
        status, receipt = browser.post("/api/effects/wind", "60")
        assert (status, receipt["reason"]) == (422, "held by anna: cleaning")
    finally:
        status, said = browser.post("/api/release", {"name": "anna"})
    assert (status, said["holds"]) == (200, [])
    wait_for(lambda: browser.post("/api/effects/wind", {"duration": 10})[0] == 200)


def test_events_are_what_stands_and_then_lines_of_watch(browser):
    with browser.stream("/api/events") as listening:
        assert listening.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        first = listening.until(lambda _, line: line["topic"] == "devices/wind/availability")
        assert first.keys() == {"at", "topic", "payload"}
        assert first["payload"] == "online"
        browser.post("/api/effects/wind", {"id": "page-4", "duration": 10})
        receipt = listening.until(lambda _, line: line["topic"] == "receipts/page-4")
        assert receipt["payload"]["id"] == "page-4"


def test_the_live_picture_is_whole_and_then_what_has_changed(home, browser):
    with browser.stream("/api/live") as listening:
        name, room = next(listening.events())
        assert name == "room"
        assert list(room["devices"]) == list(home.config["devices"])
        assert room["broker"] == {"connected": True, "reason": ""}
        browser.post("/api/effects/light", {"id": "page-5", "parameters": {"color": "#ff8800"}, "duration": 300})
        seen = listening.until(lambda name, said: name == "devices" and said["devices"].get("light", {}).get("on"))
        light = seen["devices"]["light"]
        assert (light["effect_id"], light["rgb"]) == ("page-5", [255, 136, 0])
        assert 0 < light["ends_at"] - light["since"] <= 300


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""])
def test_a_name_that_is_not_this_machines_is_403(browser, host):
    status, said = browser.get("/", Host=host)
    assert (status, said["status"]) == (403, "refused")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8090", "[::1]", "10.0.0.1"])
def test_this_machines_names_and_any_address_are_served(browser, host):
    assert browser.get("/", Host=host)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost", "http://localhost:1"])
def test_another_sites_page_is_403(browser, origin):
    assert browser.post("/api/stop", Origin=origin)[0] == 403
    assert browser.get("/api/health", Origin=origin)[0] == 403


def test_the_pages_own_origin_may(browser):
    assert browser.post("/api/stop", Origin=f"http://127.0.0.1:{browser.port}")[0] == 200


def test_a_post_of_a_form_is_415(browser):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert browser.post("/api/effects/wind", "intensity=60", **form)[0] == 415
    assert browser.post("/api/stop", "a=b", **form)[0] == 415
    assert browser.post("/api/hold", "a=b", Content_Type="text/plain")[0] == 415


def test_what_is_too_large_is_413_and_what_is_not_there_404(browser):
    assert browser.post("/api/effects/wind", json.dumps({"x-a": "a" * 70_000}))[0] == 413
    for path in ("/api/nothing", "/static/../page.py", "/static/nothing.js", "/api"):
        status, said = browser.get(path)
        assert (status, said["status"]) == (404, "refused")
    assert browser.get("/api/stop")[0] == 405


def test_the_page_is_served_with_a_strict_policy(browser):
    status, headers, said = browser.ask("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert said.startswith("<!doctype html>")
    assert browser.get("/", If_None_Match=headers["etag"])[0] == 304


FILM = {"title": "A film", "effects": [{"effect_type": "wind", "timestamp": 0, "duration": 60_000, "intensity": 20}]}


def test_a_timeline_is_loaded_played_paused_moved_and_stopped(browser):
    status, state = browser.post("/api/timelines/film/load", FILM)
    assert (status, state["status"], state["title"]) == (200, "loaded", "A film")
    status, state = browser.post("/api/timelines/film/play", {"from_ms": 1000, "loop": True})
    assert (status, state["status"], state["loop"]) == (200, "playing", True)
    # right after another state: what that says of where it is, is no answer
    assert 20_000 <= browser.post("/api/timelines/film/seek", {"position_ms": 20_000})[1]["position_ms"] < 30_000
    status, state = browser.post("/api/timelines/film/load", FILM | {"title": "Another"})
    assert (status, state["next"]["title"]) == (200, "Another")
    assert browser.post("/api/timelines/film/pause")[1]["status"] == "paused"
    assert browser.post("/api/timelines/film/seek", {"position_ms": 5000})[1]["position_ms"] == 5000
    assert browser.post("/api/timelines/film/resume")[1]["status"] == "playing"
    assert browser.post("/api/timelines/film/stop")[1]["status"] == "loaded"
    status, said = browser.post("/api/timelines/film/pause")
    assert (status, said["reason"]) == (409, "film is loaded: there is nothing to pause")


def test_a_timeline_that_is_not_there_is_404_and_a_document_that_is_none_422(browser):
    assert browser.post("/api/timelines/nobody/play")[0] == 404
    assert browser.post("/api/timelines/Film/play")[0] == 400
    assert browser.post("/api/timelines/film/rewind")[0] == 404
    assert browser.post("/api/timelines/film/seek", {"position": 1})[0] == 400
    status, said = browser.post("/api/timelines/broken/load", {"effects": 5})
    assert (status, said["status"]) == (422, "refused")
    xml = "<SEM/>"
    assert browser.post("/api/timelines/broken/load", xml, Content_Type="text/plain")[0] == 415
    assert browser.post("/api/timelines/broken/load", xml, Content_Type="application/xml")[0] == 422


def test_a_program_is_restarted_and_its_log_is_read(home, browser):
    before = home.pid("scent")
    assert browser.post("/api/restart/scent") == (200, {"status": "restarted", "program": "scent"})
    home.wait_ready()
    assert home.pid("scent") != before
    status, text = browser.get("/api/logs/scent?lines=3")
    assert status == 200
    assert "ready" in text
    assert len(text.splitlines()) <= 3
    assert browser.post("/api/restart/nobody")[0] == 404
    assert browser.get("/api/logs/..%2f..%2fpasswords")[0] == 404


def test_a_dead_letter_is_sent_again_under_a_new_id(home, browser):
    client = home.client()
    with browser.stream("/api/live") as listening:
        client.publish("effects/wind", {"id": "page-late", "duration": 10, "expires_at": 1000})
        dead = listening.until(lambda name, _: name == "dead_letters")["dead_letters"][0]
    assert (dead["kind"], dead["id"], dead["sendable"]) == ("expired", "page-late", True)
    status, receipt = browser.post(f"/api/dead-letters/{dead['n']}/send")
    assert (status, receipt["status"]) == (200, "done")
    assert receipt["id"] != "page-late"
    assert browser.post("/api/dead-letters/99999/send")[0] == 404
