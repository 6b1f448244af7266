"""Every file of tests/vectors, played through the real driver: these effects bring exactly these bytes or calls."""

from pathlib import Path

import pytest

from drivers import kinds, vectors
from drivers.driver import Driver

FILES = sorted((Path(__file__).parents[1] / "vectors").glob("*.yaml"))
CASES = [(file.stem, case) for file in FILES for case in vectors.cases(file)]


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind}: {case.name}" for kind, case in CASES])
def test_what_leaves_for_the_device_is(kind: str, case: vectors.Case) -> None:
    assert vectors.play(kind, case) == case.out


def test_every_driver_that_speaks_to_a_device_has_its_vectors() -> None:
    found = {path.stem for path in Path(kinds.__file__).parent.glob("*.py")}
    drivers_: dict[str, type[Driver]] = {}
    for kind in found - {"__init__", "__main__"}:
        try:
            drivers_[kind] = kinds.find(kind)
        except LookupError:
            continue  # a room of the host
    assert {kind for kind, driver in drivers_.items() if driver.uses_out} == {file.stem for file in FILES}
    assert drivers_.keys() - {file.stem for file in FILES} == {"virtual"}
