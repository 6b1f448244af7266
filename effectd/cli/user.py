"""`effectd user add / remove / list`: edits config.yaml, keeping comments, and `passwords`; the broker reloads both."""

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from effectd.access import passwords
from effectd.base.columns import columns
from effectd.base.errors import ConfigError, NotYours
from effectd.base.near import did_you_mean
from effectd.cli import files, style
from effectd.cli.files import Refused
from effectd.config import exposure, reader, run_folder, yamlchange
from effectd.config.reader import FILE, Config


def add(
    home: Path,
    name: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    devices: Sequence[str],
    *,
    operate: bool,
) -> int:
    """A new user, or another password for one."""
    ours(home)
    if not exposure.USER.fullmatch(name):
        raise typer.BadParameter(f"{name[:80]!r}: a user's name is {exposure.USER_RULE}", param_hint="NAME")
    tree = _tree(home)
    known = name in tree.broker.users
    wanted = bool(publish or subscribe or devices or operate)
    if known and wanted:
        typer.echo(f"{name} is a user already: change its rights in {FILE}; nothing was changed", err=True)
        return os.EX_CONFIG
    entry = _entry(tree, publish, subscribe, devices, operate=operate) if not known else None
    where = "broker", "users", name
    if entry is not None:  # before a password is asked for
        try:
            files.with_value(home, where, entry)
        except (ConfigError, Refused) as error:
            typer.echo(f"{error}\nnothing was changed", err=True)
            return os.EX_CONFIG
    secret = _password(name)
    if not secret or len(secret) > passwords.LONGEST:
        typer.echo(f"a password is 1 to {passwords.LONGEST} bytes long; nothing was changed", err=True)
        return os.EX_CONFIG
    hashed = passwords.hashed(secret)

    def change() -> dict[Path, bytes]:
        text = files.with_value(home, where, entry) if entry is not None else None
        # the password first: a user is never there without one
        passwords.write(home, passwords.read(home) | {name: hashed})
        return {(home / FILE).resolve(): text} if text is not None else {}

    if not files.edit(home, change, section="broker.users"):
        return os.EX_CONFIG
    typer.echo(f"{name} has another password" if known else f"{name} is a user: {_rights(_tree(home), name)}")
    _say_what_is_left(home)
    return 0


def remove(home: Path, name: str) -> int:
    """Remove its line in `passwords`, too, even if there is nothing else."""
    ours(home)
    tree = _tree(home)
    there = name in tree.broker.users
    if not there and name not in passwords.read(home):
        close = did_you_mean(name, tree.broker.users)
        typer.echo(f"no user {name[:80]!r}; known: {', '.join(tree.broker.users) or 'none'}{close}", err=True)
        return os.EX_CONFIG

    def change() -> dict[Path, bytes]:
        changes = {}
        if there:
            text = yamlchange.take(home / FILE, (home / FILE).read_bytes(), ("broker", "users", name))
            if not reader.load(home, text, reach=False).broker.users:
                reader.load(home, text)  # the last one is needed where the port is open to the network
            changes[(home / FILE).resolve()] = text
        hashes = passwords.read(home)
        if hashes.pop(name, None) is not None:
            passwords.write(home, hashes)
        return changes

    if not files.edit(home, change, section="broker.users"):
        return os.EX_CONFIG
    left = _tree(home).broker.users
    typer.echo(f"{name} is no longer a user" + ("" if left else ": any client that reaches the port may connect now"))
    return 0


def show(home: Path) -> int:
    tree = _tree(home)
    hashes = passwords.read(home)
    if not tree.broker.users:
        typer.echo(f"no users: any client that reaches {tree.broker.address} may connect; effectd user add NAME")
    rows = [("USER", "PASSWORD", "RIGHTS")]
    rows += [(name, "yes" if name in hashes else "none", _rights(tree, name)) for name in tree.broker.users]
    rows += [(name, "yes", f"none: not a user in {FILE}") for name in hashes if name not in tree.broker.users]
    for line in columns([[style.clean(word) for word in row] for row in rows]) if len(rows) > 1 else ():
        typer.echo(line)
    return 0


def ours(home: Path) -> None:
    """Raises NotYours: what belongs to the home must not become another user's."""
    run_folder.check(home)
    if not os.access(home, os.W_OK):
        raise NotYours.by(home)


def _tree(home: Path) -> Config:
    """Accepts one whose port is open by mistake: adding users is the cure."""
    tree = reader.load(home, reach=False)
    if not tree.broker.embedded:
        where = tree.broker.address
        raise tree.file.error(("broker", "embedded"), f"false: the users of {where} are known there, not here")
    return tree


def _entry(
    tree: Config, publish: Sequence[str], subscribe: Sequence[str], devices: Sequence[str], *, operate: bool
) -> dict[str, Any]:
    if not (publish or subscribe or devices):
        publish, subscribe = tree.topics.of_a_user
    entry: dict[str, Any] = {}
    if publish:
        entry["publish"] = list(publish)
    if subscribe:
        entry["subscribe"] = list(subscribe)
    if devices:
        entry |= {"device": devices[0]} if len(devices) == 1 else {"devices": list(devices)}
    return entry | ({"operate": True} if operate else {})


def _password(name: str) -> bytes:
    """From the terminal, twice; else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline().rstrip(b"\r\n")
    first = getpass.getpass(f"Password for {name}: ")
    if getpass.getpass("Again: ") != first:
        typer.echo("they are not the same; nothing was changed", err=True)
        raise typer.Exit(os.EX_CONFIG)
    return first.encode()


def _rights(tree: Config, name: str) -> str:
    user = tree.broker.users[name]
    parts = [
        f"publishes {', '.join(user.publish)}" if user.publish else "",
        f"subscribes to {', '.join(user.subscribe)}" if user.subscribe else "",
        f"acts for {', '.join(user.acts_for)}" if user.acts_for else "",
        "operates" if user.operate else "",
    ]
    return "; ".join(part for part in parts if part) or "stops and holds alone"


def _say_what_is_left(home: Path) -> None:
    """What still prevents the broker from starting, if anything."""
    try:
        reader.load(home)
    except ConfigError as error:
        typer.echo(f"still to do: {error}")
