"""The picture of the floors is the one that the imports make, and they make one."""

from graphlib import CycleError
from pathlib import Path

import pytest

from tests.docs import floors

HOUSE = {
    "effectd/__init__.py": "CONTRACT = 2",
    "effectd/base/loop.py": "import os",
    "effectd/messages/effect.py": "from effectd import CONTRACT\nfrom effectd.base import loop",
    "effectd/cli/__main__.py": "def main():\n    import drivers.host\n    from effectd.base.loop import run",
    "broker_proc/embedded.py": "from effectd.messages.effect import decode",
    "drivers/host.py": "from effectd.messages import effect\nfrom . import scaling",
    "drivers/scaling.py": "import msgspec",
}
PICTURE = """\
3  effectd/cli      -> drivers
2  broker_proc      -> effectd/messages
   drivers          -> effectd/messages
1  effectd/messages -> effectd/base
0  effectd/base
"""


def build(root: Path, house: dict[str, str]) -> floors.Packages:
    for name, text in house.items():
        for folder in (root / name).relative_to(root).parents:
            (root / folder).mkdir(parents=True, exist_ok=True)
            if folder != Path():
                (root / folder / "__init__.py").touch()
        (root / name).write_text(text)
    return floors.packages(root)


def test_the_picture_in_the_architecture_page_is_up_to_date():
    assert floors.shown(floors.PAGE.read_text()) == floors.drawn(floors.packages()), "run scripts/floors"


def test_a_package_stands_above_all_that_it_imports(tmp_path):
    assert floors.drawn(build(tmp_path, HOUSE)) == PICTURE


def test_a_circle_of_packages_is_no_picture(tmp_path):
    house = HOUSE | {"effectd/base/journal.py": "from effectd.messages.effect import decode"}
    with pytest.raises(CycleError, match="effectd/base"):
        floors.drawn(build(tmp_path, house))
