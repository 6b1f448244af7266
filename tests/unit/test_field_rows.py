"""What strangers and bug reports showed to be wrong here: for each, tests/field/rows.yaml names what shows it right."""

import re
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parents[1]
ROWS = yaml.safe_load((TESTS / "field" / "rows.yaml").read_text())


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_what_is_right_and_names_tests_that_are_there(row):
    found = ROWS[row]
    assert list(found) == ["right", "tests"]
    assert found["right"].endswith(".")
    assert found["tests"]
    for name in found["tests"]:
        file, _, test = name.partition("::")
        assert re.search(rf"^def {test}\(", (TESTS / file).read_text(), re.MULTILINE), name


def test_every_row_is_there_and_says_something_else():
    assert len(ROWS) > 70, "no row may be dropped; one that is no fault any more stays, with its test"
    assert len({found["right"] for found in ROWS.values()}) == len(ROWS)
