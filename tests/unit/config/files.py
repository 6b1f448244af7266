"""A config.yaml, and what its reader says of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.reader import Config

WHOLE = """\
topic_root: room1/left
broker:
  embedded: false
  host: 0.0.0.0
  port: 1884
  external:
    host: broker.example
    port: 8883
    username: me
    password_env: EFFECTD_TEST_PASSWORD
    tls: {cafile: ca.pem, certfile: null}
devices:
  light:
    kind: virtual
    effects: [light]
  fan-2:
    kind: my.package:Fan
    effects:
      - wind
      - fog
    location: left:middle:front
    delay_ms: 40
    limits: {max_intensity: 80.5, max_on_ms: 5000, max_rate_hz: 2, max_apply_ms: 700}
    options:
      pin: 4
  esp:
    kind: remote
    effects: [fog]
effects:
  light: {labels: {low: 10, dim: 5}}
  wind: {duration_ms: 0}
  fog:
"""


FAN = """\
devices:
  fan:
    kind: virtual
    effects: [wind]
{fan}
  light:
    kind: virtual
    effects: [light]
effects:
  wind:
  light:
"""


SECTIONS = (
    "topic_root, dispatcher, broker, buses, devices, effects, buttons, supervision, timelines, page, home_assistant"
)


@pytest.fixture
def load(home: Path) -> Callable[[str | bytes], Config]:
    def load(text: str | bytes) -> Config:
        (home / "config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return reader.load(home)

    return load


@pytest.fixture
def error(home: Path, load: Callable[[str | bytes], Config]) -> Callable[[str | bytes], tuple[int, str, str]]:
    """The one line that a wrong file gives, as line, key and problem."""

    def error(text: str | bytes) -> tuple[int, str, str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        return parts(caught.value, home)

    return error


def parts(error: ConfigError, home: Path) -> tuple[int, str, str]:
    text = str(error)
    assert "\n" not in text
    file, line, rest = text.split(":", 2)
    assert file == str(home / "config.yaml")
    assert rest == (f" {error.key}: {error.problem}" if error.key else f" {error.problem}")
    assert error.problem
    return int(line), error.key, error.problem
