"""Who logs in sees and does on the page what he has the right to; who does not sees the login and nothing else."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Keys

from effectd.access import passwords
from tests.system.chromium import Tab, tab
from tests.system.home import Home

__all__ = ["tab"]  # a fixture

SECRET = "correct horse battery staple"
SEES = ["receipts/#", "dead-letters/#", "devices/#", "system/#", "timelines/#"]
USERS = {
    "anna": {"publish": ["effects/#", "timelines/#"], "subscribe": SEES, "operate": True},
    "guest": {"publish": ["effects/light"], "subscribe": SEES},
}


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    home = Home(page=True)
    home.config["broker"]["users"] = USERS
    home.write()
    with home:
        passwords.write(home.path, {name: passwords.hashed(SECRET.encode()) for name in USERS})
        home.start_ready()
        yield home


def log_in(tab: Tab, name: str, secret: str = SECRET) -> None:
    tab.open()
    tab.until("document.getElementById('name') !== null", "the login")
    tab.find("#name").send_keys(name)
    tab.find("#password").send_keys(secret, Keys.ENTER)


def test_a_stranger_sees_the_login_and_a_wrong_password_is_told(tab: Tab) -> None:
    log_in(tab, "anna", "wrong")
    assert tab.says("#told", r"\w")
    assert tab.js("location.pathname") == "/login"
    assert tab.accessible() == []
    tab.picture("login")


def test_who_operates_has_it_all_and_who_logs_out_is_out(tab: Tab) -> None:
    log_in(tab, "anna")
    tab.live()
    tab.find('#devices [data-key="wind"] button').click()
    tab.find("#fire").click()
    tab.says("#try-told", "^done")
    tab.find("#tab-programs").click()
    assert tab.find('#panel-programs [aria-label="Restart wind"]').is_displayed()
    assert tab.accessible() == []
    tab.find("#hold").click()
    assert tab.js("document.getElementById('hold-name').value") == "anna"
    tab.press(Keys.ESCAPE)
    tab.find("#logout").click()
    tab.until("location.pathname === '/login' && document.getElementById('name') !== null")
    tab.driver.get(tab.url + "/")
    assert tab.js("location.pathname") == "/login"


def test_a_guest_fires_what_he_may_and_stops_everything_and_operates_nothing(tab: Tab) -> None:
    log_in(tab, "guest")
    tab.live()
    tab.find('#devices [data-key="wind"] button').click()
    assert not tab.find("#fire").is_enabled()
    tab.says("#try-told", "You may not")
    tab.find('#devices [data-key="light"] button').click()
    assert tab.find("#fire").is_enabled()
    tab.find("#fire").click()
    tab.says("#try-told", "^done")
    tab.find("#tab-programs").click()
    tab.says("#panel-programs", "wind")
    assert not tab.find("#panel-programs menu").is_displayed()
    assert not tab.find("#cues").is_displayed()
    tab.find("#stop-all").click()
    tab.says("#stop-told", "All 4 off")
    assert tab.complaints() == []
