"""What strangers and bug reports showed to be wrong here: for each, tests/field/rows.yaml names what shows it right."""

import re
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parents[1]
ROWS = yaml.safe_load((TESTS / "field" / "rows.yaml").read_text())
WHERE: dict[str, list[str]] = {}  # each test -> the files that have one of that name, as rows.yaml writes it
for file in TESTS.rglob("test_*.py"):
    for found in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE):
        WHERE.setdefault(found, []).append(f"{file.relative_to(TESTS)}::{found}")


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_what_is_right_and_names_tests_that_are_there(row):
    found = ROWS[row]
    assert list(found) == ["right", "tests"]
    assert found["right"].endswith(".")
    assert found["tests"]
    for name in found["tests"]:
        test = name.partition("::")[2]
        assert name in WHERE.get(test, ()), f"{name}: it is in {WHERE.get(test, 'no file')}"


def test_every_row_is_there_and_says_something_else():
    assert len(ROWS) > 70, "no row may be dropped; one that is no fault any more stays, with its test"
    assert len({found["right"] for found in ROWS.values()}) == len(ROWS)
