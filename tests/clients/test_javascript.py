"""MQTT.js moves a device and hears of it, in node over TCP and WebSocket, and in a browser."""

import json
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from .conftest import Room

VERSIONS = pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5"])


@VERSIONS
@pytest.mark.parametrize("over", ["tcp", "websocket"])
def test_node_publishes_an_effect_and_hears_its_receipt(room: Room, mqtt_js: Path, over: str, version: int) -> None:
    url = room.tcp_url if over == "tcp" else room.web_url
    done = subprocess.run(
        ["node", "effect_in_node.mjs", url, str(version), f"node-{over}-{version}"],
        cwd=mqtt_js,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _is_done(json.loads(done.stdout), f"node-{over}-{version}")


@VERSIONS
def test_a_page_in_a_browser_publishes_an_effect_and_hears_its_receipt(
    room: Room, page: str, browser: Chrome, version: int
) -> None:
    asked = {"url": room.web_url, "version": version, "id": f"browser-{version}"}
    browser.get(f"{page}?{urlencode(asked)}")
    answer = WebDriverWait(browser, 30).until(lambda it: it.execute_script("return window.answer"))
    assert "error" not in answer, answer
    _is_done(answer, f"browser-{version}")


def _is_done(receipt: dict[str, object], effect_id: str) -> None:
    assert (receipt["topic"], receipt["qos"]) == (f"receipts/{effect_id}", 1)
    assert (receipt["id"], receipt["status"]) == (effect_id, "done")
