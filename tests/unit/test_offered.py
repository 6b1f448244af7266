"""What docs/brokers.md says is offered, and docs/security.md says is stopped, is shown by a test in each row."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_every_row_of_what_the_embedded_broker_offers_names_tests_that_are_there() -> None:
    document = (REPOSITORY / "docs" / "brokers.md").read_text()
    rows = [line for line in document.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    assert len(rows) > 20, "the pattern that finds rows has gone blind"
    for row in rows:
        named = re.findall(r"`([\w/.]+)::(\w+)`", row)
        assert named, row
        for file, test in named:
            path = REPOSITORY / file if "/" in file else REPOSITORY / "tests" / "broker" / file
            assert f"def {test}(" in path.read_text(), f"{file}::{test}"


def test_every_threat_names_tests_that_are_there() -> None:
    document = (REPOSITORY / "docs" / "security.md").read_text().partition("## Threats")[2]
    rows = [line for line in document.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 25, "the pattern that finds rows has gone blind"
    for row in rows:
        named = re.findall(r"`([\w/.]+)::(\w+)`", row)
        assert named, row
        for file, test in named:
            path = REPOSITORY / file if "/" in file else REPOSITORY / "tests" / "system" / file
            assert re.search(rf"(def|class) {test}\(", path.read_text()), f"{file}::{test}"
