"""A home with a page that a module's tests share, and a client of its page. For the modules that import them."""

from collections.abc import Iterator

import pytest

from tests.system.browser import Browser
from tests.system.home import Home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(page=True) as home:
        home.start_ready()
        yield home


@pytest.fixture
def browser(home: Home) -> Browser:
    return Browser(home.config["page"]["port"])
