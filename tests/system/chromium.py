"""Debian's Chromium, driven, without a screen or a word to anybody outside; and what tests ask of a page in it."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.needs import need
from tests.system.home import Home, wait_for

WIDE, TABLET, PHONE = (1600, 900), (1024, 768), (390, 844)
LIMIT_S = 30.0
# a folder for pictures of what the tests see; without it none are taken
PICTURES = "EFFECTD_PICTURES"
_QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Skips where it is not installed; in CI that is a failure."""
    need("chromium", "chromium")
    need("chromedriver", "chromium-driver")
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (*_QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service("/usr/bin/chromedriver"))  # so that selenium does not look for one elsewhere
    try:
        yield driver
    finally:
        driver.quit()


class Tab:
    """One page in the browser: what a test does and asks there. Waits for what it wants."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, path: str = "/", size: tuple[int, int] = WIDE) -> "Tab":
        width, height = size
        self.cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self.driver.get(self.url + path)
        return self

    def live(self) -> "Tab":
        """Until the picture is there, and known to be true."""
        self.until("globalThis.room?.model.known && room.feed.alive", "a live room")
        return self

    def cdp(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

    def js(self, expression: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return ({expression})", *arguments)

    def until(self, expression: str, what: str = "") -> Any:
        """The first true answer of a JavaScript expression."""
        return wait_for(lambda: self.js(expression), LIMIT_S, what or expression)

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        return str(self.js("document.querySelector(arguments[0])?.innerText ?? ''", css))

    def says(self, css: str, pattern: str) -> str:
        """Waits until the element's text has the pattern; the text."""

        def told() -> str:
            text = self.text(css)
            return text if re.search(pattern, text) else ""

        return str(wait_for(told, LIMIT_S, f"{pattern!r} in {css}, which says {self.text(css)!r}"))

    def press(self, *keys: str, ctrl: bool = False) -> None:
        """Keys to whatever has the focus."""
        focus = self.driver.switch_to.active_element
        focus.send_keys(*((Keys.CONTROL,) if ctrl else ()), *keys, *((Keys.NULL,) if ctrl else ()))

    def focus(self) -> str:
        """The id or the text of what has the focus."""
        return str(self.js("document.activeElement.id || document.activeElement.innerText"))

    def picture(self, name: str) -> None:
        folder = os.environ.get(PICTURES)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))

    def accessible(self) -> list[str]:
        """What axe-core finds wrong with the page as it is now."""
        if not self.js("Boolean(globalThis.axe)"):
            self.driver.execute_script((resources.files("axe_core_python") / "axe.min.js").read_text())
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run({resultTypes: ['violations']}).then((found) => done(JSON.stringify(found.violations)))"
        )
        return [
            f"{rule['id']}: {node['html'][:160]}: {node['failureSummary']}"
            for rule in json.loads(found)
            for node in rule["nodes"]
        ]

    def complaints(self) -> list[str]:
        """What the browser has to say against the page: errors of scripts, and what the policy forbids."""
        lines = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        # that an order was refused, or nobody answered, is told as well; it is what some tests want
        return [line for line in lines if "Failed to load resource" not in line and "net::ERR" not in line]


@pytest.fixture(scope="module")
def tab(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """For the modules that import it: one page, of their own `home`."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield Tab(driver, f"http://127.0.0.1:{home.config['page']['port']}")
