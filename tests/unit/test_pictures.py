"""The picture of `effectd watch` is small, loads nothing from elsewhere, and shows nobody's machine."""

import re

from tests.docs import pictures


def test_the_picture_in_the_repository_is_one_that_any_browser_may_show():
    svg = pictures.FILE.read_text()
    assert len(svg) < 60_000
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert "@font-face" not in svg
    assert "/tmp/" not in svg
    assert f"127.0.0.1:{pictures.PORT}" in svg
    assert all(effect_type in svg for effect_type in pictures.EFFECTS)


def test_a_terminal_becomes_a_picture_in_its_colours():
    svg = pictures.as_svg("\x1b[1;38;2;255;140;48mwind\x1b[0m 60 %\r\n")
    assert ">wind<" in svg
    assert "#ff8c30" in svg
    assert svg.count("<svg") == 1
