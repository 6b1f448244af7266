"""Lines of code by package: blanks, comments and docstrings do not count.

.venv/bin/python -m benchmarks.lines [CHECKOUT ...]
"""

import argparse
import ast
import io
import subprocess
import tokenize
from collections import Counter
from pathlib import Path

from benchmarks import figures

_NOTHING = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    used = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOTHING:
            used.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            text = node.body[0]
            used.difference_update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return len(used)


def package(path: str) -> str:
    parts = Path(path).parent.parts
    return "/".join(parts[:2]) if parts[:1] == ("effectd",) else parts[0] if parts else "."


def count(checkout: Path) -> Counter[str]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=checkout, capture_output=True, text=True, check=True)
    found = Counter[str]()
    for path in listed.stdout.split():
        found[package(path)] += code_lines((checkout / path).read_text(encoding="utf-8"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="*", type=Path, default=[Path.cwd()], metavar="CHECKOUT")
    counts = [count(each) for each in parser.parse_args().checkouts]
    names = sorted(set().union(*counts), key=lambda name: (-counts[-1][name], name))
    rows = {name: {f"{n}": found.get(name, "") for n, found in enumerate(counts, 1)} for name in names}
    inside = [name for name in names if name not in {"tests", "benchmarks", "broker_proc"}]
    rows["without broker_proc, tests and benchmarks"] = {
        f"{n}": sum(found[name] for name in inside) for n, found in enumerate(counts, 1)
    }
    figures.show("Lines of code", rows)


if __name__ == "__main__":
    main()
