"""The reports of `effectd doctor --broker` side by side, in docs/brokers.md: `python -m benchmarks.conformance`.

Ours, mosquitto, NATS and RabbitMQ, each alone as Debian has it; which of them are not installed is said.
"""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.brokers import OURS
from benchmarks.brokers import started as ours
from benchmarks.nodes import MosquittoNode, NatsNode, Node, RabbitNode, started, there
from tests.system.home import REPOSITORY

PAGE = REPOSITORY / "docs" / "brokers.md"
BEGIN, END = "<!-- python -m benchmarks.conformance -->\n", "<!-- end -->"
KINDS: dict[str, type[Node]] = {"mosquitto 2.0": MosquittoNode, "NATS 2.9": NatsNode, "RabbitMQ 3.10": RabbitNode}
VARIES = re.compile(r"[0-9.]+ ms")  # from run to run


def report(home: Path, port: int) -> dict[str, str]:
    """What -> `word detail`, as the command says it."""
    command = [sys.executable, "-m", "effectd.cli", "--home", str(home), "doctor", "--broker", f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode in (0, 1), done.stderr
    rows = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return {what.partition("  ")[0]: f"{word} {what.partition('  ')[2]}".strip() for word, what in rows}


def reports(home: Path) -> dict[str, dict[str, str]]:
    found = {}
    with ours(OURS) as broker:
        found["ours"] = report(home, broker.port)
    for name, kind in KINDS.items():
        if there(kind):
            with started(kind) as (node,):
                found[name] = report(home, node.port)
        else:
            print(f"{name} is not installed", file=sys.stderr)
    return found


def table(found: dict[str, dict[str, str]]) -> str:
    rows = list(dict.fromkeys(what for report in found.values() for what in report))
    lines = [f"what | {' | '.join(found)}", "---|" + "|".join("---" for _ in found)]
    lines += [f"{what} | {' | '.join(report.get(what, '') for report in found.values())}" for what in rows]
    return "\n".join(lines) + "\n"


def shown(page: str) -> str:
    """The table as it stands in the page."""
    return page.partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    page = PAGE.read_text()
    PAGE.write_text(page.replace(BEGIN + shown(page) + END, BEGIN + table(reports(REPOSITORY)) + END))
    print(shown(PAGE.read_text()))


if __name__ == "__main__":
    main()
