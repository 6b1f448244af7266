"""How the house is built: imports point one way, one file spells the topics, and no file grows past 300 lines."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("effectd", "broker_proc", "dispatcher_proc", "drivers", "buttons_proc")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
HOST_FILES = {
    "budget",
    "envelope",
    "flash",
    "rises",
    "on_time",
    "pace",
    "actuator",
    "actuator_bench",
    "bus_bench",
    "host",
    "deadline",
    "driver_bench",
    "dry_run",
    "kinds",
    "member",
    "order",
    "program_bench",
    "ramp",
    "reporter",
    "solo",
    "scaling",
    "vectors",
    "waiting",
    "worker",
    "__main__",
    "__init__",
}
PARTS_OF_DRIVERS = {"driver", "template", "digest", "serial_code", "serial_port"}
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


def test_imports_point_one_way():
    wrong = {}
    for path in FILES:
        parts = path.relative_to(ROOT).parts
        in_roof = parts[:2] == ("effectd", "cli")
        entered = {module.partition(".")[0] for module in imports(path)} & {*ROOMS, "tests"}
        into_roof = {module for module in imports(path) if f"{module}.".startswith("effectd.cli.") and not in_roof}
        if found := (entered - allowed(parts[0], in_roof)) | into_roof:
            wrong[name(path)] = found
    assert wrong == {}


FLOORS = ("base", "testing", "messages", "timeline", "config", "access", "readiness", "program", "supervision", "cli")


def test_within_effectd_a_package_imports_only_from_those_below_it():
    wrong = {}
    for path in FILES:
        parts = path.relative_to(ROOT).parts
        if parts[0] == "effectd" and len(parts) > 2:
            entered = {module.split(".")[1] for module in imports(path) if module.startswith("effectd.")}
            above = set(FLOORS[FLOORS.index(parts[1]) + 1 :]) & entered
            if above:
                wrong[name(path)] = above
    assert wrong == {}


def test_only_a_bench_uses_what_is_for_tests():
    users = [path for path in FILES if any(module.startswith("effectd.testing") for module in imports(path))]
    assert {path.stem for path in users if path.parent.name != "testing"} == {
        "actuator_bench",
        "bench",
        "bus_bench",
        "program_bench",
    }


def test_a_driver_knows_of_this_package_only_the_base_class_and_the_templates():
    kinds = [path for path in FILES if path.parent.name == "drivers" and path.stem not in HOST_FILES]
    assert {path.stem for path in kinds} >= {"driver", "virtual"}
    entered = {name(path): {m.split(".")[1] for m in imports(path) if m.startswith("drivers.")} for path in kinds}
    assert {path: found for path, found in entered.items() if not found <= PARTS_OF_DRIVERS} == {}


def test_only_topics_py_spells_a_topic():
    spelled = {
        (name(path), line): text
        for path in FILES
        for line, text in texts(path)
        if "/" in text and " " not in text and text.strip("/").split("/")[0] in TOPIC_WORDS
    }
    assert {where: text for where, text in spelled.items() if where[0] != "effectd/messages/topics.py"} == {}
    assert spelled  # those of topics.py itself are seen


def test_no_file_is_longer_than_300_lines():
    lengths = {name(path): len(path.read_text().splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > 300} == {}


def test_every_file_opens_with_a_sentence_that_says_its_job():
    openings = {name(path): (ast.get_docstring(tree(path)) or "?").splitlines()[0] for path in FILES}
    assert {path: text for path, text in openings.items() if text[-1] not in ".:" or len(text) < 20} == {}
