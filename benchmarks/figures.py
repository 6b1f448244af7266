"""Medians and spreads of samples, and the table and JSON that every benchmark prints."""

import json
import platform
import statistics
import sys
from typing import Any

import psutil


def percentile(samples: list[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(samples: list[float]) -> dict[str, float]:
    """Median, 99th percentile, least and greatest, and how many."""
    return {
        "median": round(statistics.median(samples), 3),
        "p99": round(percentile(samples, 0.99), 3),
        "min": round(min(samples), 3),
        "max": round(max(samples), 3),
        "n": len(samples),
    }


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": psutil.cpu_count(),
        "load": [round(value, 2) for value in psutil.getloadavg()],
    }


def show(title: str, rows: dict[str, dict[str, Any]], *, out: Any = sys.stdout) -> None:
    """A Markdown table; the first column is the row's name."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    print(f"\n### {title}\n", file=out)
    print("| | " + " | ".join(columns) + " |", file=out)
    print("|---|" + "---|" * len(columns), file=out)
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(str(row.get(column, "")) for column in columns) + " |", file=out)


def save(path: str | None, result: dict[str, Any]) -> None:
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), **result}, file, indent=1)
