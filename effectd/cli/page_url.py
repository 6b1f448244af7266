"""The URL of a home's page, and `effectd open`, which opens it in a browser."""

import os
import subprocess
from pathlib import Path

import typer

from effectd.cli import style
from effectd.config import programs, reader
from effectd.config.exposure import has_tls
from effectd.config.reader import Config
from effectd.readiness import glance

EX_NONE = 3  # there is no page, or it does not run
_ANY = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "[::1]"}


def of(tree: Config) -> str:
    """ "" for a home without a page."""
    if tree.page is None:
        return ""
    host = _ANY.get(tree.page.host.strip("[]"), tree.page.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    scheme = "https" if has_tls(tree.page) else "http"
    return f"{scheme}://{host}:{tree.page.port}"


def run(home: Path, *, browser: bool) -> int:
    """0; 3 if no page is served. The URL is always printed, for a browser on another machine."""
    tree = reader.load(home)
    url = of(tree)
    if not url:
        typer.echo(f"this home has no page: add `page: {{}}` to {home / reader.FILE}, then: effectd check", err=True)
        return EX_NONE
    typer.echo(url)
    if glance.part(home / "run", programs.PAGE) is None:
        typer.echo(f"the page does not run; this starts it: {style.tool('effectd', home)} up", err=True)
        return EX_NONE
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        _go(url)
    return 0


def _go(url: str) -> None:
    """Start a graphical browser, with its output hidden; browsers for the terminal are not used."""
    try:
        subprocess.Popen(
            ["xdg-open", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        import webbrowser  # where there is no xdg-open

        webbrowser.open(url)
