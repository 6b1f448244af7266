"""Who logs in sees and does on the page what his rights are, and no more; who does not sees the login and nothing else."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Keys

from tests.system.chromium import Tab, chromium
from tests.system.home import Home

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
        for name in USERS:
            done = home.effectd("user", "password", name, input=SECRET + "\n")
            assert done.returncode == 0, done.stderr
        home.start_ready()
        yield home


@pytest.fixture(scope="module")
def tab(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield Tab(driver, f"http://127.0.0.1:{home.config['page']['port']}")


def log_in(tab: Tab, name: str, secret: str = SECRET) -> None:
    tab.open()
    tab.until("document.getElementById('name') !== null", "the login")
    tab.find("#name").send_keys(name)
    tab.find("#password").send_keys(secret, Keys.ENTER)
