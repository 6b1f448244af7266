"""A device's `kind` finds its driver class, its `options` are the class's own; what is wrong is told with its line."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import kinds, virtual
from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.driver import Driver, Options

HOME = """\
devices:
  fan:
    kind: {kind}
    effects: [wind]
    options:
{options}
effects:
  wind:
  light:
"""
MODULES = {
    "one_driver.py": """
from drivers.driver import Driver, Options
class FanOptions(Options):
    pin: int
    host: str = "here"
    def __post_init__(self):
        if self.pin == 13:
            raise ValueError("pin 13 is the lamp's")
class Fan(Driver):
    effects = ("wind", "fog")
    options: FanOptions
""",
    "two_drivers.py": """
from effectd.driver import Driver
from one_driver import Fan
class Left(Driver): ...
class Right(Driver): ...
class Other: ...
""",
    "no_driver.py": "import drivers.virtual\nfrom effectd.driver import Driver\n",
    "a_package/__init__.py": "",
    "a_package/fans.py": "from effectd.driver import Driver\nclass Fan(Driver): ...\n",
    "needy.py": "import a_module_that_nobody_has\n",
    "lamps_only.py": "from effectd.driver import Driver\nclass Lamp(Driver):\n    effects = ('light',)\n",
    "effectd_test-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: effectd-test\nVersion: 1\n",
    "effectd_test-1.dist-info/entry_points.txt": """\
[effectd.drivers]
big-fan = one_driver:Fan
left-fan = two_drivers:Left
fans = a_package.fans
nonsense = two_drivers:Other
""",
}


@pytest.fixture(scope="module", autouse=True)
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("lib")
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
    for name in list(sys.modules):
        if name.partition(".")[0] in {"one_driver", "two_drivers", "no_driver", "a_package", "needy", "lamps_only"}:
            del sys.modules[name]


def build(home: Path, kind: str, *options: str) -> Driver:
    written = "".join(f"      {option}\n" for option in options) or "      {}\n"
    (home / "config.yaml").write_text(HOME.format(kind=kind, options=written.rstrip()))
    return kinds.build("fan", reader.load(home))


def wrong(home: Path, kind: str, *options: str) -> tuple[int, str, str]:
    with pytest.raises(ConfigError) as caught:
        build(home, kind, *options)
    assert caught.value.device == "fan"
    return int(str(caught.value).split(":")[1]), caught.value.key, caught.value.problem


def test_a_plain_word_is_a_file_of_the_drivers_folder(home):
    driver = build(home, "virtual", "apply_ms: 5")
    assert type(driver) is virtual.Virtual
    assert driver.options == virtual.VirtualOptions(apply_ms=5)
    assert (driver.device, driver.broker.host) == ("fan", "127.0.0.1")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("one_driver", "Fan"),
        ("one_driver:Fan", "Fan"),
        ("a_package.fans", "Fan"),
        ("a_package.fans:Fan", "Fan"),
        ("two_drivers:Right", "Right"),
        ("virtual:Virtual", "Virtual"),
        ("drivers.virtual", "Virtual"),
        ("big-fan", "Fan"),
        ("left-fan", "Left"),
        ("fans", "Fan"),
    ],
)
def test_a_module_or_a_class_in_it_or_an_entry_point_is_a_kind(home, kind, name):
    driver = build(home, kind, *(["pin: 4"] if "one_driver" in kind or kind == "big-fan" else []))
    assert type(driver).__name__ == name
    assert isinstance(driver, Driver)


def test_what_written_drivers_import_is_still_there_and_the_same():
    old, new = importlib.import_module("drivers.driver"), importlib.import_module("effectd.driver")
    assert [getattr(old, name) for name in old.__all__] == [getattr(new, name) for name in old.__all__]


def test_a_driver_without_options_of_its_own_takes_none(home):
    assert build(home, "two_drivers:Left").options == Options()
    assert wrong(home, "two_drivers:Left", "pin: 4")[:2] == (6, "devices.fan.options.pin")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("fann", "no such kind, and no module of that name; known are virtual"),
        ("a_package.fan", "No module named 'a_package.fan'"),
        ("nobody.at_all", "No module named 'nobody'"),
        ("needy", "No module named 'a_module_that_nobody_has'"),
        ("two_drivers", "2 driver classes; name one as two_drivers:Class"),
        ("no_driver", "0 driver classes"),
        ("host", "0 driver classes"),
        ("driver", "0 driver classes"),
        ("json", "0 driver classes"),
        ("two_drivers:Middle", "not a subclass of effectd.driver.Driver"),
        ("two_drivers:Other", "not a subclass of effectd.driver.Driver"),
        ("drivers.driver:Driver", "not a subclass of effectd.driver.Driver"),
        ("nonsense", "not a subclass of effectd.driver.Driver"),
        *(
            (kind, "no module of that name")
            for kind in (".", "..x", "a..b", "'x:'", "'a b'", "a/b", "':X'", "'5'", "'-'")
        ),
    ],
)
def test_a_kind_that_names_no_driver_is_told_at_its_line_with_what_was_looked_for(home, kind, told):
    line, key, problem = wrong(home, kind)
    assert (line, key) == (3, "devices.fan.kind")
    assert told in problem
    assert problem.startswith(repr(kind.strip("'")))


def test_an_effect_that_the_driver_cannot_do_is_told_with_those_that_it_can(home):
    assert wrong(home, "lamps_only") == (4, "devices.fan.effects", "lamps_only cannot do wind; it can do light")


@pytest.mark.parametrize(
    ("options", "line", "key", "told"),
    [
        (("host: a", "pim: 4"), 7, "devices.fan.options.pim", "unknown key; allowed here are pin, host"),
        (("host: a", "pin: four"), 7, "devices.fan.options.pin", "a whole number, not"),
        (("host: a",), 5, "devices.fan.options", "pin"),
        (("pin: 13",), 5, "devices.fan.options", "pin 13 is the lamp's"),
    ],
)
def test_a_wrong_option_is_told_at_its_own_line(home, options, line, key, told):
    found = wrong(home, "one_driver", *options)
    assert found[:2] == (line, key)
    assert told in found[2]


def test_a_device_whose_section_is_wrong_or_missing_has_no_driver(home):
    (home / "config.yaml").write_text("devices:\n  fan: {kind: virtual}\n")
    for name in ("fan", "lamp"):
        with pytest.raises(ConfigError, match=f"devices.{name}"):
            kinds.build(name, reader.load(home))
