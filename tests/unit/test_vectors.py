"""Every file of tests/vectors, played through the real driver: these effects bring exactly these bytes or calls."""

from pathlib import Path

import pytest

from drivers import kinds, vectors
from effectd.driver import Driver

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
    with_vectors = {kinds.FILES.get(file.stem, file.stem) for file in FILES}
    assert {kind for kind, driver in drivers_.items() if driver.uses_out} == with_vectors
    assert drivers_.keys() - with_vectors == {"virtual"}


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("serial", "- {name: loud, options: {port: auto}, steps: [off], out: [x]}", "loud: out is ['0\\n'], not ['x']"),
        (
            "serial",
            "- {name: loud, options: {prt: auto}, steps: [off], out: [x]}",
            "prt",
        ),
        (
            "serial",
            "- {name: loud, options: {port: auto}, steps: [on], out: []}",
            "loud: ",
        ),
        ("serial", "- {name: loud, steps: [off]}", "`out`"),
        ("serial", "- [", "not YAML"),
        ("nobody", "- {name: loud, steps: [off], out: []}", "loud: no such kind"),
        ("virtual", "- {name: loud, steps: [off], out: []}", "loud: Virtual: uses_out is not True"),
    ],
)
def test_what_is_wrong_with_a_vector_file_is_one_line(tmp_path, capsys, kind, text, told):
    file = tmp_path / f"{kind}.yaml"
    file.write_text(text + "\n")
    assert vectors.main([str(file)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(str(file))
    assert told in line


def test_files_that_come_out_as_written_are_counted(capsys):
    assert vectors.main([str(file) for file in FILES]) == 0
    assert capsys.readouterr().out == f"{len(CASES)} cases come out as written\n"


@pytest.mark.parametrize("given", [[], ["--help"], ["mqtt.yaml", "-x"]])
def test_without_a_file_it_says_how_it_is_used(given, capsys):
    assert vectors.main(given) == 2
    assert capsys.readouterr().err.startswith("usage: python -m drivers.vectors KIND.yaml")
