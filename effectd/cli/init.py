"""`effectd init DIR`: makes a new home from the files that make the checkout itself a home."""

import contextlib
import os
import re
from pathlib import Path

import typer

import effectd
from effectd.base.errors import ConfigError
from effectd.cli import page_url, style
from effectd.cli.up import free_port
from effectd.config import reader
from effectd.config.reader import FILE, SUPERVISOR_FILE
from effectd.config.yamlfile import YamlFile

LINK = "supervisord.conf"  # where supervisord looks without -c
TEMPLATE = Path(effectd.__file__).parent / "template"  # symlinks to the checkout's own files; in the wheel their copies
_AUTO_FROM, _AUTO = 20000, 10000  # ports below those that Linux lends to clients (ip_local_port_range)


def run(folder: Path, port: int | None) -> int:
    """`port` None: the template's; 0: one that is free now and differs between homes, and one for the page."""
    home = folder.resolve()
    reader.check_path(home)
    ports: dict[str, int] = {} if port is None else {"broker": port}
    if port == 0:
        ports["broker"] = free_port(_AUTO_FROM + int(reader.home_id(home), 16) % _AUTO)
        ports["page"] = free_port(ports["broker"])
    try:
        _make(home, {FILE: _config(ports), SUPERVISOR_FILE: (TEMPLATE / SUPERVISOR_FILE).read_text()})
    except OSError as error:
        path = error.filename2 or error.filename or home
        typer.echo(f"{path}: {error.strerror}; nothing was made or changed", err=True)
        return os.EX_CANTCREAT
    effectd_, tree = style.tool("effectd", home), reader.load(home)
    typer.echo(f"""\
{home} is a home now. {FILE} says what it is made of, {SUPERVISOR_FILE} who runs. Next:

  {effectd_} up                  start it and wait until all is ready (port {tree.broker.port})
  {effectd_} send wind 60        the first effect
  {effectd_} open                the room in a browser ({page_url.of(tree)})
  {effectd_} device add fan --kind virtual --effect wind
  {effectd_} down                shut everything down

`effectd --install-completion` teaches your shell to complete commands, devices and effect types with Tab.""")
    return 0


def _config(ports: dict[str, int]) -> str:
    """config.yaml of a new home; its comments point to what can be read there."""
    path = TEMPLATE / FILE
    text = path.read_text().replace("docs/configuration.md", str(TEMPLATE / "configuration.md"))
    text = text.replace("docs/config.schema.json", (TEMPLATE / "config.schema.json").as_uri())
    lines = text.split("\n")
    for section, port in ports.items():
        number = YamlFile(path).line(section, "port")
        lines[number - 1], found = re.subn(r"\bport: *\d+", f"port: {port}", lines[number - 1])
        if not found:
            what = "not written as `port: N` in this template; leave --port out"
            raise ConfigError(path, number, f"{section}.port", what)
    return "\n".join(lines)


def _make(home: Path, files: dict[str, str]) -> None:
    """All of it or nothing; an existing file is never touched."""
    with contextlib.ExitStack() as undo:
        missing = [folder for folder in (home, *home.parents) if not folder.exists()]
        for folder in (*reversed(missing), home / "run", home / "run" / "log"):
            if not folder.is_dir():
                folder.mkdir(0o700 if folder.is_relative_to(home / "run") else 0o777)
                undo.callback(folder.rmdir)
        for name, text in files.items():
            # for the owner only: a device's options may hold a token
            with open(home / name, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                undo.callback((home / name).unlink)
                file.write(text)
        (home / LINK).symlink_to(SUPERVISOR_FILE)
        undo.pop_all()
