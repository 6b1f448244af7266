"""How the house is built: imports point one way, one file spells the topics, and no file grows past 300 lines."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("effectd", "broker_proc", "dispatcher_proc", "drivers")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
HOST_FILES = {"host", "kinds", "reporter", "worker", "__main__", "__init__"}
TOPIC_WORDS = ("devices", "effects", "receipts", "dead-letters", "system", "stop-all", "timeline")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module that the file imports, also within functions; `from a import b` is both `a` and `a.b`."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            module = base if node.level else node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every string constant of the file but the docstrings."""
    parsed = tree(path)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(parsed)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def allowed(room: str, in_roof: bool) -> set[str]:
    if room == "effectd":
        return set(ROOMS) if in_roof else {"effectd"}
    return {"effectd", room}


def test_the_rooms_are_there():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_one_way(path):
    parts = path.relative_to(ROOT).parts
    in_roof = parts[:2] == ("effectd", "cli")
    entered = {module.partition(".")[0] for module in imports(path)} & set(ROOMS)
    assert entered <= allowed(parts[0], in_roof)
    if not in_roof:
        assert not [module for module in imports(path) if f"{module}.".startswith("effectd.cli.")]
    assert not [module for module in imports(path) if module.partition(".")[0] == "tests"]


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent.name == "drivers" and p.stem not in HOST_FILES], ids=name
)
def test_a_driver_knows_of_this_package_only_the_base_class_and_the_templates(path):
    entered = {module.split(".")[1] for module in imports(path) if module.startswith("drivers.")}
    assert entered <= {"driver", "template"}


@pytest.mark.parametrize("path", [p for p in FILES if name(p) != "effectd/topics.py"], ids=name)
def test_only_topics_py_spells_a_topic(path):
    levels = [(line, text.strip("/").split("/")) for line, text in texts(path) if "/" in text and " " not in text]
    assert not [(line, found) for line, found in levels if found[0] in TOPIC_WORDS]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_is_longer_than_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_opens_with_a_sentence_that_says_its_job(path):
    opening = ast.get_docstring(tree(path))
    assert opening
    assert opening.splitlines()[0].rstrip()[-1] in ".:?"
