"""`effectd health`: shows which programs are really ready, like `supervisorctl health`, or as JSON."""

from pathlib import Path

import typer

from effectd.cli import style
from effectd.supervision import health
from effectd.supervision.health import Health

EX_NOT_READY = 3  # not from `up`, which imports three times as much


def run(home: Path, wait: float, *, as_json: bool) -> int:
    with Health(home) as look:
        rows = look.wait(wait) if wait > 0 else look.look()
        if as_json:
            typer.echo(health.as_json(rows))
        else:
            typer.echo(style.health(health.table(rows, look.restarts())))
    return 0 if health.all_ready(rows) else EX_NOT_READY
