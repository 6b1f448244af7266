"""A home on the embedded broker, and one on mosquitto; MQTT.js as npm installs it; a browser, headless."""

import functools
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.needs import cannot, need
from tests.system.chromium import chromium
from tests.system.home import Home, free_port
from tests.system.test_external import Mosquitto

HERE = Path(__file__).parent


@dataclass
class Room:
    """A home that is ready, and where its broker is: `port` for TCP, `web_port` for WebSocket under /mqtt."""

    port: int
    web_port: int

    @property
    def tcp_url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def web_url(self) -> str:
        return f"ws://127.0.0.1:{self.web_port}/mqtt"


@pytest.fixture(scope="module", params=["embedded", "mosquitto"])
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    web_port = free_port()
    if request.param == "embedded":
        home = Home()
        home.config["broker"]["websocket"] = {"port": web_port}
        home.write()
        with home:
            home.start_ready()
            yield Room(home.port, web_port)
        return
    web = (f"listener {web_port} 127.0.0.1", "protocol websockets")
    mosquitto = Mosquitto(tmp_path_factory.mktemp("mosquitto"), *web)
    mosquitto.start()
    try:
        external = {"embedded": False, "external": {"host": "127.0.0.1", "port": mosquitto.port}}
        with Home(broker=external) as home:
            home.start_ready()
            yield Room(mosquitto.port, web_port)
    finally:
        mosquitto.kill()


@pytest.fixture(scope="session")
def mqtt_js() -> Path:
    """The folder in which MQTT.js is installed, as package-lock.json says."""
    need("node", "nodejs")
    need("npm", "npm")
    installed = HERE / "node_modules" / ".package-lock.json"
    lock = HERE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=110, check=False)
        if done.returncode:
            cannot(f"npm could not install MQTT.js: {done.stderr[-500:]}")
    return HERE


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: pytest's output is for the tests."""


@pytest.fixture
def page(mqtt_js: Path) -> Iterator[str]:
    """The address of page.html on a web server of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(mqtt_js))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with chromium(tmp_path / "profile") as driver:
        yield driver
