"""The picture of the page in README.md: a real home, a storm that plays, and what Chromium shows of it, as a small PNG.

`scripts/pictures` writes docs/pictures/page.png. No test compares it: each run has its own moment.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.docs import small_png
from tests.docs.pictures import PATH
from tests.system.chromium import Tab, chromium
from tests.system.home import Client, Home, wait_for

FILE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "page.png"
SIZE = (1360, 800)
MOST_BYTES = 200_000
DEVICES: dict[str, Any] = {
    **dict.fromkeys(("light", "wind", "vibration", "scent")),
    "lamp-left": {"kind": "virtual", "effects": ["light"], "location": "left:midway"},
    "lamp-right": {"kind": "virtual", "effects": ["light"], "location": "right:midway"},
    "fan": {"kind": "virtual", "effects": ["wind"], "location": "centerleft:front"},
    "fog": {"kind": "virtual", "effects": ["fog"], "location": "centerright:front"},
    "scent": {"kind": "virtual", "effects": ["scent"]},
    "seat-1": {"kind": "virtual", "effects": ["vibration"], "location": "centerleft:back", "zones": ["row-a"]},
    "seat-2": {"kind": "virtual", "effects": ["vibration"], "location": "center:back", "zones": ["row-a"]},
    "seat-3": {"kind": "virtual", "effects": ["vibration"], "location": "centerright:back", "zones": ["row-a"]},
}


def _at(ms: int, effect_type: str, intensity: int, duration: int, target: str, **parameters: str) -> dict[str, Any]:
    fields = {"effect_type": effect_type, "timestamp": ms, "intensity": intensity, "duration": duration}
    return fields | {"target": target} | ({"parameters": parameters} if parameters else {})


TIMELINES = {
    "storm": {
        "title": "Storm over the sea",
        "effects": [
            _at(0, "light", 85, 30_000, "lamp-left", color="#ff8c30"),
            _at(200, "light", 70, 30_000, "lamp-right", color="#4470ff"),
            _at(400, "scent", 60, 30_000, "scent", scent="rain"),
            _at(600, "fog", 70, 30_000, "fog"),
            _at(900, "wind", 65, 30_000, "fan"),
            _at(1200, "vibration", 40, 30_000, "row-a"),
            _at(1800, "vibration", 90, 28_000, "seat-2"),
        ],
    },
    "gust": {"title": "Gust", "effects": [_at(0, "wind", 90, 2500, "fan")]},
    "thunder": {"title": "Thunder", "effects": [_at(0, "vibration", 100, 1500, "row-a")]},
    "dawn": {"title": "Dawn", "effects": [_at(0, "light", 60, 12_000, "lamp-left", color="#ffb080")]},
}
_PIXELS = """
const [data, done] = arguments;
const image = new Image();
image.onload = () => {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(",")[1]);
  reader.readAsDataURL(new Blob([pen.getImageData(0, 0, image.width, image.height).data]));
};
image.src = "data:image/png;base64," + data;
"""


def taken() -> bytes:
    """The room in the middle of the storm."""
    effects = {name: {"duration_ms": 1000} for name in ("light", "wind", "vibration", "scent", "fog")}
    with Home(DEVICES, page=True, effects=effects) as home, tempfile.TemporaryDirectory() as profile:
        home.start_ready()
        client = Client(home.port)
        try:
            for name, document in TIMELINES.items():
                client.publish(f"timelines/{name}/load", document)
            wait_for(lambda: all(client.json(f"timelines/{name}/state") for name in TIMELINES))
            with chromium(Path(profile)) as driver:
                tab = Tab(driver, f"http://127.0.0.1:{home.config['page']['port']}")
                tab.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
                tab.open(size=SIZE).live()
                client.publish("effects/wind", {"id": "refused-1", "intensity": 160})
                client.publish("timelines/storm/play", "")
                tab.says('#devices [data-key="seat-2"]', "90 %")
                drawn = tab.js("room.stage.count")
                tab.until(f"room.stage.count > {drawn} + 60")
                tab.driver.execute_script(f"room.model.name = {json.dumps(Path(PATH).name)}")
                tab.says("#home-name", Path(PATH).name)
                pixels = driver.execute_async_script(_PIXELS, driver.get_screenshot_as_base64())
                return small_png.encode(base64.b64decode(pixels), *SIZE)
        finally:
            client.close()


def main() -> None:
    picture = taken()
    assert len(picture) < MOST_BYTES, f"{len(picture)} bytes: fewer colours are needed"
    FILE.write_bytes(picture)


if __name__ == "__main__":
    main()
