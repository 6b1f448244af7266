"""The picture of the floors in docs/architecture.md, made from the imports: what stands on what.

A package is a folder with Python files in it, and the folders inside it: `effectd/cli/watch` is of `effectd/cli`. It
stands one floor above the highest package that it imports from, so an arrow can only point down; where packages import
each other in a circle there is no such picture, and this says which.
`scripts/floors` writes it; tests/unit/test_floors.py checks that it is up to date.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TOP_LEVEL = ("effectd", "broker_proc", "dispatcher_proc", "drivers", "buttons_proc", "page_proc")
BLOCK = re.compile(r"(<!-- scripts/floors -->\n```\n)(.*?)(```)", re.DOTALL)
Packages = dict[str, set[str]]  # package -> the packages that it imports from


def packages(root: Path = ROOT) -> Packages:
    """Every package under `root`, with what it imports."""
    files = [path for package in TOP_LEVEL for path in sorted((root / package).rglob("*.py"))]
    found: Packages = {}
    for path in files:
        package = _named(root, path.parent)
        entered = {_package(root, module) for module in _imports(root, path)}
        found.setdefault(package, set()).update(entered - {package, ""})
    kept = {package for package in found if not _only_a_name(root, package)}
    return {package: below & kept for package, below in found.items() if package in kept}


def floors(below: Packages) -> list[list[str]]:
    """The packages by floor, the lowest first. Raises CycleError, with the packages, where two import each other."""
    height: dict[str, int] = {}
    for package in TopologicalSorter(below).static_order():
        height[package] = 1 + max((height[other] for other in below[package]), default=-1)
    return [sorted(name for name in height if height[name] == floor) for floor in range(max(height.values()) + 1)]


def drawn(below: Packages) -> str:
    """The floors as text, the highest first; beside each package those that it stands on directly."""
    lines = []
    wide = max(map(len, below))
    for number, names in reversed(list(enumerate(floors(below)))):
        for name in names:
            stands_on = sorted(below[name] - {lower for other in below[name] for lower in _all_below(other, below)})
            arrow = f"{name:<{wide}} -> {', '.join(stands_on)}" if stands_on else name
            lines.append(f"{number if name == names[0] else ' '}  {arrow}\n")
    return "".join(lines)


def shown(page: str) -> str:
    """The picture that stands in the page."""
    found = BLOCK.search(page)
    assert found, "docs/architecture.md has no block <!-- scripts/floors -->"
    return found.group(2)


def _all_below(package: str, below: Packages) -> set[str]:
    return below[package] | {lower for other in below[package] for lower in _all_below(other, below)}


def _imports(root: Path, path: Path) -> Iterator[str]:
    """Every module that the file imports, also within functions; `from a import b` is a.b where that is a module."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if _package(root, inner) else module


@cache
def _package(root: Path, module: str) -> str:
    """The folder in which a module of ours lives; "" for anybody else's, and for a name that is no module."""
    path = root.joinpath(*module.split("."))
    if module.split(".", maxsplit=1)[0] not in TOP_LEVEL:
        return ""
    if (path / "__init__.py").is_file():
        return _named(root, path)
    return _named(root, path.parent) if path.with_suffix(".py").is_file() else ""


def _named(root: Path, folder: Path) -> str:
    return "/".join(folder.relative_to(root).parts[:2])


def _only_a_name(root: Path, package: str) -> bool:
    """A package that only holds others: nobody works in it."""
    inner = [path for path in (root / package).iterdir() if path.is_dir() and any(path.glob("*.py"))]
    return bool(inner) and [path.name for path in (root / package).glob("*.py")] == ["__init__.py"]


def main() -> None:
    try:
        picture = drawn(packages())
    except CycleError as error:
        raise SystemExit("these packages import each other: " + " -> ".join(error.args[1])) from None
    page = PAGE.read_text()
    shown(page)
    PAGE.write_text(BLOCK.sub(lambda found: found.group(1) + picture + found.group(3), page))
    print(picture, end="")


if __name__ == "__main__":
    main()
