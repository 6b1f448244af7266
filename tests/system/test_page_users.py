"""The page of a home with users: who comes in, as whom, and that each may do there what he may by MQTT."""

import re
from collections.abc import Iterator

import pytest

from effectd.access import passwords
from tests.system.browser import Browser
from tests.system.home import Home, wait_for

ANNA, BERT, CARL = ("anna", "open sesame"), ("bert", "tick tock"), ("carl", "let me")
USERS = {
    "anna": {"publish": ["#"], "subscribe": ["#"], "operate": True},
    "bert": {
        "publish": ["effects/light"],
        "subscribe": ["devices/light/#", "receipts/#", "system/#"],
    },
    "carl": {},
}


def write_passwords(home: Home, *logins: tuple[str, str]) -> None:
    passwords.write(home.path, {name: passwords.hashed(word.encode()) for name, word in logins})


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(page=True) as home:
        home.config["broker"]["users"] = dict(USERS)
        home.write()
        write_passwords(home, ANNA, BERT, CARL)
        home.start_ready()
        yield home


def at(home: Home, user: tuple[str, str] | None = None, **headers: str) -> Browser:
    return Browser(home.config["page"]["port"], user, **headers)


def test_nobody_comes_in_without_a_login(home):
    stranger = at(home)
    for path in ("/api/health", "/api/me", "/api/room", "/api/live", "/api/events", "/api/nothing"):
        status, headers, said = stranger.ask("GET", path)
        assert (status, said["status"]) == (401, "refused"), path
        assert headers["www-authenticate"].startswith("Basic ")
    for path in ("/api/stop", "/api/hold", "/api/effects/wind", "/api/restart/wind", "/api/timelines/film/play"):
        assert stranger.post(path)[0] == 401, path
    assert at(home, ("anna", "wrong")).get("/api/me")[0] == 401
    assert at(home, ("nobody", "open sesame")).get("/api/me")[0] == 401
    assert at(home, Authorization="Basic nonsense").get("/api/me")[0] == 401


def test_a_browser_is_led_to_the_login_page(home):
    status, headers, _ = at(home).ask("GET", "/", Accept="text/html,*/*")
    assert (status, headers["location"]) == (303, "/login")
    assert at(home).get("/login")[0] == 200
    assert at(home).get("/static/login.js")[0] == 200
    status, headers, _ = at(home).ask("GET", "/api/me", Sec_Fetch_Site="same-origin")
    assert status == 401
    assert "Basic" not in headers["www-authenticate"]  # the browser would ask in a window of its own


def test_a_session_begins_with_a_login_and_ends_with_a_logout(home):
    status, headers, said = at(home).ask("POST", "/login", {"name": "anna", "password": "open sesame"})
    assert (status, said) == (200, {"user": "anna"})
    cookie = headers["set-cookie"]
    assert re.search("HttpOnly", cookie)
    assert re.search("SameSite=Strict", cookie)
    anna = at(home, Cookie=cookie.partition(";")[0])
    assert anna.get("/api/me")[1]["user"] == "anna"
    assert anna.post("/api/stop")[0] == 200
    assert anna.post("/logout") == (200, {"user": None})
    assert anna.get("/api/me")[0] == 401


def test_a_login_with_another_password_or_in_another_form_is_refused(home):
    assert at(home).post("/login", {"name": "anna", "password": "wrong"})[0] == 401
    form = "application/x-www-form-urlencoded"
    assert at(home).post("/login", "name=anna&password=open+sesame", Content_Type=form)[0] == 415
    assert at(home).post("/login", {"name": "anna", "password": "open sesame"}, Origin="http://evil.example")[0] == 403
    assert at(home).post("/login", {"name": "anna"})[0] == 400


def test_a_user_may_do_what_he_may_by_mqtt_and_nothing_else(home):
    bert = at(home, BERT)
    assert bert.post("/api/effects/light", {"duration": 10})[0] == 200
    for path in ("/api/effects/wind", "/api/timelines/film/play", "/api/restart/wind", "/api/dead-letters/1/send"):
        status, said = bert.post(path)
        assert (status, said["status"]) == (403, "refused"), path
    assert bert.get("/api/logs/wind")[0] == 403
    may = bert.get("/api/me")[1]["may"]
    assert may == {"effects": ["light"], "timelines": False, "stop": True, "hold": True, "see": False, "operate": False}
    assert at(home, ANNA).get("/api/me")[1]["may"]["effects"] is True
    assert at(home, ANNA).get("/api/logs/wind")[0] == 200


def test_everybody_may_stop_and_hold(home):
    carl = at(home, CARL)
    assert carl.post("/api/stop")[0] == 200
    assert carl.post("/api/hold", {"reason": "tired"})[1]["name"] == "carl"
    assert carl.post("/api/release")[0] == 200


def test_a_user_sees_what_he_may_hear_and_nothing_else(home):
    room = at(home, BERT).get("/api/room")[1]
    assert list(room["devices"]) == ["light"]
    with at(home, BERT).stream("/api/events") as listening:
        at(home, ANNA).post("/api/effects/wind", {"id": "secret", "duration": 10, "x-by": "anna"})
        seen = set()
        for _, line in listening.events():
            seen.add(line["topic"])
            if line["topic"] == "receipts/secret":
                break
    assert not [topic for topic in seen if re.match("devices/(?!light)|effects/", topic)]


def test_users_that_are_added_or_taken_away_are_in_force_at_once(home):
    dora = at(home, ("dora", "quick"))
    assert dora.get("/api/me")[0] == 401
    home.config["broker"]["users"]["dora"] = {"subscribe": ["#"]}
    home.write()
    write_passwords(home, ANNA, BERT, CARL, ("dora", "quick"))
    wait_for(lambda: dora.get("/api/me")[0] == 200, what="dora to be known")
    with dora.stream("/api/live") as listening:
        assert next(listening.events())[0] == "room"
        del home.config["broker"]["users"]["dora"]
        home.write()
        for _ in listening.events():
            pass  # until it ends
    assert dora.get("/api/me")[0] == 401
    assert at(home, ANNA).get("/api/me")[0] == 200


def test_an_edit_that_is_wrong_changes_nothing(home):
    good = (home.path / "config.yaml").read_text()
    (home.path / "config.yaml").write_text(good + "\nnonsense: 1\n")
    wait_for(lambda: "not taken in" in home.log("page"))
    assert at(home, ANNA).get("/api/me")[0] == 200
    (home.path / "config.yaml").write_text(good)
