"""The page in a real browser, on a real home: see an effect, fire one, stop, hold; what dies is told and comes back."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys

from tests.system.chromium import PHONE, TABLET, Tab, chromium
from tests.system.home import Client, Home, wait_for
from tests.system.page_home import home

__all__ = ["home"]  # fixture


FILM = {
    "title": "A small storm",
    "duration": 30_000,
    "effects": [
        {"effect_type": "wind", "timestamp": 0, "duration": 20_000, "intensity": 40},
        {"effect_type": "snow", "timestamp": 500, "duration": 1000},
    ],
}
CUE = {"title": "Gust", "effects": [{"effect_type": "wind", "timestamp": 0, "duration": 5000, "intensity": 70}]}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def client(home: Home) -> Client:
    if not home.clients:
        home.client()
    return home.clients[0]


@pytest.fixture
def tab(home: Home, browser: Chrome, client: Client) -> Iterator[Tab]:
    """The page, live; afterwards everything is off and released, and the browser is content."""
    home.wait_ready()
    tab = Tab(browser, f"http://127.0.0.1:{home.config['page']['port']}")
    yield tab.open().live()
    client.publish("holds/page", "")
    client.publish("stop-all", "")
    tab.until(
        "![...room.model.devices.values()].some((device) => device.on) && !room.model.holds.length", "everything off"
    )
    assert tab.complaints() == []


def label(tab: Tab, device: str) -> str:
    return tab.text(f'#devices [data-key="{device}"]')


def shows(tab: Tab, device: str, pattern: str) -> None:
    tab.says(f'#devices [data-key="{device}"]', pattern)


def pick(tab: Tab, device: str) -> None:
    tab.find(f'#devices [data-key="{device}"] button').click()
    tab.says("#panel-device h2", f"^{device}$")


def test_an_effect_is_seen_in_its_colour_and_with_the_time_that_is_left(tab: Tab, client: Client) -> None:
    client.publish("effects/light", {"intensity": 80, "duration": 20_000, "parameters": {"color": "#ff2000"}})
    client.publish("effects/wind", {"intensity": 60, "duration": 20_000})
    shows(tab, "light", r"80 % · \d+ s")
    shows(tab, "wind", r"60 %")
    tab.until("room.stage.nodes.get('wind').level === 0.6")
    red, green, blue = tab.js(
        "((n, c) => [...c.getImageData(n.x * room.stage.scale, (n.y - 4) * room.stage.scale, 1, 1).data].slice(0, 3))"
        "(room.stage.nodes.get('light'), room.stage.things)"
    )
    assert red > 150 > max(green, blue) + 20
    turned = tab.js("room.stage.nodes.get('wind').turn")
    tab.until(f"room.stage.nodes.get('wind').turn > {turned} + 0.5", "a fan that turns")
    tab.says("#panel-effects .effects li:first-child", "done")
    tab.says("#figures-told", "p50 .* p99")
    tab.picture("effects")


def test_a_device_is_tried_by_slider_and_colour_and_stopped(tab: Tab, client: Client) -> None:
    pick(tab, "light")
    assert tab.accessible() == []
    tab.driver.execute_script(
        "for (const [id, value] of [['try-intensity', 35], ['try-colour', '#00ff80'], ['try-seconds', 30]])"
        " { const it = document.getElementById(id); it.value = value; it.dispatchEvent(new Event('input')); }"
    )
    tab.find("#fire").click()
    assert tab.says("#try-told", "done|·").startswith("done")
    state = wait_for(lambda: (s := client.state("light")) and s["on"] and s)
    assert (state["intensity"], state["parameters"]["color"]) == (35, "#00ff80")
    tab.says("#panel-device", r"light 35 %")
    tab.says("#panel-device", r"(?s)Process.*ready, pid \d+")
    tab.picture("device")
    tab.find("#stop-one").click()
    tab.says("#stop-told", "light is off")
    shows(tab, "light", "off")


def test_what_was_not_done_says_why_and_is_sent_again(tab: Tab, client: Client) -> None:
    client.publish("effects/wind", {"id": "too-strong", "intensity": 160})
    tab.says("#panel-effects .effects li:first-child", r"(?s)refused.*intensity: a number from 0 to 100")
    client.publish("effects/wind", {"id": "too-late", "duration": 100, "expires_at": 1000})
    tab.says("#panel-effects summary", r"Not executed: \d")
    tab.find("#panel-effects summary").click()
    tab.says("#panel-effects .dead li:first-child", r"effects/wind · too late")
    assert tab.accessible() == []
    tab.picture("not-executed")
    tab.find("#panel-effects .dead li:first-child button").click()
    tab.says("#panel-effects .dead li:first-child button", "done")


def test_everything_stops_also_with_broker_and_dispatcher_dead_and_the_page_says_what_it_cannot_know(
    home: Home, tab: Tab, client: Client
) -> None:
    client.publish("effects/vibration", {"intensity": 50, "duration": 0})
    shows(tab, "vibration", "50 %")
    for program in ("dispatcher", "broker"):
        home.order("stop", program)
    try:
        tab.says("#room-plate", "No broker.*Stop all works")
        tab.says("#pulse", "No broker")
        shows(tab, "vibration", "not known")
        tab.picture("no-broker")
        tab.find("#stop-all").click()
        tab.says("#stop-told", r"All 4 off, confirmed in \d+ ms")
    finally:
        for program in ("broker", "dispatcher"):
            home.order("start", program)
    home.wait_ready()
    tab.says("#pulse", "Live, all 7 programs ready")
    assert not tab.find("#room-plate").is_displayed()
    shows(tab, "vibration", "off")


def test_a_driver_that_is_killed_is_seen_to_go_and_to_come_back(home: Home, tab: Tab) -> None:
    tab.find("#tab-programs").click()
    row = '#panel-programs [data-key="scent"]'
    tab.says(row, "ready")
    assert tab.accessible() == []
    home.order("stop", "scent")
    tab.says(row, "(?m)^(stopped|gone)")
    shows(tab, "scent", "offline")
    tab.says("#tab-programs .badge", "1")
    tab.says("#announced", "scent is (stopped|gone)")
    tab.find("#stop-all").click()
    tab.says("#stop-told", r"NOT CONFIRMED: scent \(it does not run\)")
    tab.picture("driver-dead")
    home.order("start", "scent")
    tab.says(row, "ready")
    shows(tab, "scent", "off$")
    restarts = tab.js("room.model.programs.get('wind').restarts")
    home.kill("wind")
    tab.until(f"((p) => p.restarts > {restarts} && p.ready)(room.model.programs.get('wind'))", "wind back")
    shows(tab, "wind", "off$")


def test_an_operator_restarts_a_program_and_reads_its_log(home: Home, tab: Tab) -> None:
    tab.find("#tab-programs").click()
    tab.says("#panel-programs", "wind")
    before = home.pid("wind")
    tab.find('#panel-programs [data-key="wind"] [aria-label="Restart wind"]').click()
    wait_for(lambda: home.pids().get("wind", before) != before, 30)
    home.wait_ready()
    tab.find('#panel-programs [data-key="wind"] [aria-label="Log of wind"]').click()
    tab.says("#log-text", "ready")
    assert tab.accessible() == []
    tab.picture("log")
    tab.press(Keys.ESCAPE)
    assert not tab.find("#log-dialog").is_displayed()


def test_a_hold_stands_across_the_page_until_it_is_released(tab: Tab, client: Client) -> None:
    client.publish("effects/wind", {"intensity": 50, "duration": 0})
    shows(tab, "wind", "50 %")
    tab.find("#hold").click()
    assert tab.focus() == "hold-reason"
    assert tab.accessible() == []
    tab.press("cleaning the fan", Keys.ENTER)
    tab.says("#holds", r"Held by page: cleaning the fan\s+everything, since \d\d:")
    tab.says("#stop-told", "Held: all 4 off")
    shows(tab, "wind", "held")
    assert tab.accessible() == []
    tab.picture("held")
    tab.find("#holds button").click()
    tab.until("document.getElementById('holds').hidden")
    shows(tab, "wind", "off$")
    client.publish("holds/page", "a moment")
    tab.says("#hold", "^Release$")
    tab.find("#hold").click()
    tab.says("#hold", "^Hold$")
    tab.until("!room.model.holds.length")


def test_a_timeline_is_brought_played_moved_looped_and_a_short_one_is_a_cue(
    tab: Tab, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "Small Storm.json").write_text(json.dumps(FILM))
    tab.find("#tab-timelines").click()
    tab.find("#timeline-file").send_keys(str(tmp_path / "Small Storm.json"))
    tab.driver.execute_script(
        "const held = new DataTransfer(); held.items.add(new File([arguments[0]], 'gust.json'));"
        "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true}))",
        json.dumps(CUE),
    )
    row = '#panel-timelines [data-key="small-storm"]'
    tab.says(row, r"(?s)A small storm.*1 problem")
    tab.says("#cues", "Gust")
    tab.find(f"{row} summary").click()
    tab.says(f"{row} details", "snow")
    assert tab.accessible() == []
    tab.find(f"{row} .loop input").click()
    tab.find(f'{row} [aria-label="Play small-storm"]').click()
    tab.says(row, "playing")
    shows(tab, "wind", "40 %")
    assert client.json("timelines/small-storm/state")[-1]["loop"] is True
    tab.until("Number(document.querySelector('.timelines [data-key=small-storm] input[type=range]').value) > 100")
    tab.picture("timeline")
    tab.find(f'{row} [aria-label="Pause small-storm"]').click()
    tab.says(row, "paused")
    tab.driver.execute_script(
        "const it = document.querySelector('.timelines [data-key=small-storm] input[type=range]');"
        "it.value = 12000; it.dispatchEvent(new Event('input')); it.dispatchEvent(new Event('change'));"
    )
    tab.says(f"{row} .clock", r"^0:12\.0 / 0:30\.0")
    tab.find(f'{row} [aria-label="Resume small-storm"]').click()
    tab.says(row, "playing")
    tab.find(f'{row} [aria-label="Stop small-storm"]').click()
    tab.says(row, "ready")
    tab.find('#cues [data-key="gust"]').click()
    shows(tab, "wind", "70 %")
    shows(tab, "wind", "off$")


def test_the_room_is_worked_by_keyboard_alone(tab: Tab, client: Client) -> None:
    tab.press(Keys.TAB)
    assert tab.text(":focus") == "Go to stop all"
    tab.press(Keys.ENTER, Keys.TAB)
    assert tab.js("document.activeElement.closest('#emergency') !== null")
    tab.find("body").click()
    tab.driver.execute_script("document.querySelector('#devices button').focus()")
    first = tab.focus()
    tab.press(Keys.ARROW_RIGHT)
    assert tab.focus() != first
    tab.press(Keys.ARROW_LEFT)
    assert tab.focus() == first
    while not tab.focus().startswith("wind"):
        tab.press(Keys.ARROW_RIGHT)
    tab.press(Keys.ENTER)
    tab.says("#panel-device h2", "^wind$")
    tab.until("document.activeElement.closest('#devices') !== null")
    for _ in range(40):
        if tab.focus() == "try-intensity":
            break
        tab.press(Keys.TAB)
    tab.press(Keys.END, Keys.ENTER)
    shows(tab, "wind", "100 %")
    tab.press(".", ctrl=True)
    tab.says("#stop-told", "All 4 off")
    shows(tab, "wind", "off$")


def test_a_phone_shows_all_of_it_and_the_stop_at_once(tab: Tab, client: Client) -> None:
    tab.open(size=PHONE).live()
    client.publish("effects/scent", {"duration": 8000, "parameters": {"scent": "rain"}})
    shows(tab, "scent", "100 %")
    assert tab.js("document.documentElement.scrollWidth") <= PHONE[0]
    for selector in ("#stop-all", "#hold"):
        box = tab.js("document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)
        assert box["bottom"] <= PHONE[1]
        assert box["height"] >= 44
    tab.picture("phone")
    assert tab.accessible() == []
    pick(tab, "wind")
    assert tab.accessible() == []
    tab.picture("phone-device")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_is_readable_in_light_and_dark(tab: Tab, theme: str) -> None:
    tab.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    tab.open(size=TABLET).live()
    assert tab.js("document.documentElement.dataset.theme") == theme
    for name in ("effects", "timelines", "programs"):
        tab.find(f"#tab-{name}").click()
        assert tab.accessible() == []
    tab.picture(theme)
    tab.cdp("Emulation.setEmulatedMedia", features=[])


def test_nothing_moves_for_whoever_wants_no_motion(tab: Tab, client: Client) -> None:
    tab.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    try:
        tab.open().live()
        turned = tab.js("room.stage.nodes.get('wind').turn")
        client.publish("effects/wind", {"intensity": 90, "duration": 9500})
        shows(tab, "wind", r"90 % · \d\.\d s")
        assert tab.js("room.stage.nodes.get('wind').turn") == turned
        client.publish("devices/wind/stop", "")
        shows(tab, "wind", "off$")
    finally:
        tab.cdp("Emulation.setEmulatedMedia", features=[])


def test_eight_open_tabs_do_not_keep_a_stop_from_being_sent(tab: Tab, client: Client) -> None:
    first = tab.driver.current_window_handle
    try:
        for _ in range(7):
            tab.driver.switch_to.new_window("tab")
            tab.open().live()
        client.publish("effects/wind", {"intensity": 50, "duration": 0})
        shows(tab, "wind", "50 %")
        tab.find("#stop-all").click()
        tab.says("#stop-told", "All 4 off")
    finally:
        for handle in set(tab.driver.window_handles) - {first}:
            tab.driver.switch_to.window(handle)
            tab.driver.close()
        tab.driver.switch_to.window(first)
    tab.live()
    shows(tab, "wind", "off$")


def test_a_page_that_hangs_or_dies_leaves_no_picture_that_looks_alive(home: Home, tab: Tab, client: Client) -> None:
    client.publish("effects/wind", {"intensity": 50, "duration": 0})
    shows(tab, "wind", "50 %")
    home.kill("page", signal.SIGSTOP)  # the watchdog ends it, some time after the browser has noticed
    tab.says("#pulse", "Connection lost")
    assert "lost" in tab.js("document.body.className")
    tab.says("#lost", "Connection lost")
    tab.picture("connection-lost")
    home.wait_ready()
    tab.live()
    assert not tab.find("#lost").is_displayed()
    shows(tab, "wind", "50 %")
    home.order("stop", "page")
    tab.says("#pulse", "Connection lost")
    turned = tab.js("room.stage.nodes.get('wind').turn")
    tab.find("#stop-all").click()
    tab.says("#stop-told", "nothing was stopped from here so far")
    assert tab.js("room.stage.nodes.get('wind').turn") == turned
    home.order("start", "page")
    home.wait_ready()
    tab.live()
    assert "lost" not in tab.js("document.body.className")
