"""`effectd health`: who is really ready; the same answer as `supervisorctl health`, for a person or a program."""

from pathlib import Path

import typer

from effectd.cli import words
from effectd.cli.up import EX_NOT_READY
from effectd.supervision import survey
from effectd.supervision.survey import Survey


def run(home: Path, wait: float, *, as_json: bool) -> int:
    with Survey(home) as look:
        rows = look.wait(wait) if wait > 0 else look.look()
        if as_json:
            typer.echo(survey.as_json(rows))
        else:
            typer.echo(words.health(survey.table(rows, look.restarts())))
    return 0 if survey.all_ready(rows) else EX_NOT_READY
