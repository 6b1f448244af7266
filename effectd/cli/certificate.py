"""`effectd certificate`: makes a private CA and certificates, and shows what a client needs."""

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import typer

from effectd.access import certificates
from effectd.access.certificates import CA, FOLDER, SERVER, SERVER_KEY, CannotSign
from effectd.cli import files, style, user
from effectd.config import exposure, reader
from effectd.config.reader import FILE, Config


def run(home: Path, names: Sequence[str], client: str | None, days: int) -> int:
    """Run it again to renew: the CA stays, and a running broker loads the new certificate."""
    user.ours(home)
    tree = reader.load(home, reach=False)
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9._:*-]{1,253}", name):
            raise typer.BadParameter(f"{name[:60]!r} is neither a host name nor an address", param_hint="NAME")
    if client is not None and not exposure.USER.fullmatch(client):
        raise typer.BadParameter(f"a user's name is {exposure.USER_RULE}", param_hint="--client")
    folder = home / FOLDER
    stem = SERVER.removesuffix(".pem") if client is None else f"client-{client}"
    known = tuple(dict.fromkeys((*_own_names(), *names)))
    try:
        if certificates.make_ca(folder, f"effectd {socket.gethostname()} {reader.home_id(home)}"):
            typer.echo(f"{FOLDER}/{CA}: this home's own CA, good for {certificates.CA_DAYS // 365} years")
        if client is None:
            certificates.sign(folder, stem, known[0], names=known, days=days)
        else:
            certificates.sign(folder, stem, client, days=days)
    except CannotSign as error:
        typer.echo(str(error), err=True)
        return os.EX_UNAVAILABLE
    wanted = _wanted(tree, client is not None)
    if wanted is not None:
        path, keys = (home / FILE).resolve(), ("broker", "tls")
        if not files.edit(home, lambda: {path: files.with_value(home, keys, wanted)}, section="broker"):
            return os.EX_CONFIG
    if client is None:
        _explain_server(home, tree, known, days)
    else:
        _explain_client(home, tree, client, stem)
    return 0


def _own_names() -> list[str]:
    """Of this host, as clients may call it: its names, and the addresses that it has now."""
    host = socket.gethostname()
    names = [host, f"{host.partition('.')[0]}.local", "localhost"]
    addresses = [
        address.address.partition("%")[0]
        for each in psutil.net_if_addrs().values()
        for address in each
        if address.family in (socket.AF_INET, socket.AF_INET6) and not address.address.startswith("fe80:")
    ]
    return [name for name in dict.fromkeys([*names, *addresses]) if re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", name)]


def _wanted(tree: Config, for_client: bool) -> dict[str, Any] | None:
    """The new `broker.tls`; None: no change. Files of the user's own stay."""
    tls = tree.broker.tls
    there = {key: getattr(tls, key) for key in ("certfile", "keyfile", "cafile") if tls and getattr(tls, key)}
    wanted = {"certfile": f"{FOLDER}/{SERVER}", "keyfile": f"{FOLDER}/{SERVER_KEY}"} if "certfile" not in there else {}
    if for_client:
        wanted = {} if "certfile" in there else wanted
        wanted |= {"cafile": f"{FOLDER}/{CA}"} if "cafile" not in there else {}
    return there | wanted if wanted else None


def _explain_server(home: Path, tree: Config, names: Sequence[str], days: int) -> None:
    port, ca = tree.broker.port, home / FOLDER / CA
    new = tree.broker.tls is None or tree.broker.tls.certfile is None
    if not new and tree.broker.tls and tree.broker.tls.certfile != f"{FOLDER}/{SERVER}":
        typer.echo(f"{FILE} names {tree.broker.tls.certfile}: that one is in use, this one is not")
    typer.echo(f"{FOLDER}/{SERVER}: good for {days} days, for {', '.join(names)}")
    if new:
        typer.echo(f"{FILE}: broker.tls; port {port} speaks TLS after: {style.tool('effectd', home)} restart broker")
    else:
        typer.echo("a running broker loads it by itself")
    typer.echo(
        f"""
Copy {ca} to each client, and nothing else of that folder. Then, with a user's name and password:
  mosquitto_pub -h {names[0]} -p {port} --cafile {CA} -u NAME -P PASSWORD -t effects/wind -m 60
  paho:    client.tls_set("{CA}"); client.username_pw_set("NAME", "PASSWORD"); client.connect("{names[0]}", {port})
  MQTT.js: mqtt.connect("mqtts://{names[0]}:{port}", {{ca: readFileSync("{CA}"), username: "NAME", password: "..."}})"""
    )
    if not tree.broker.users:
        typer.echo(f"\nThere are no users yet: {style.tool('effectd', home)} user add NAME")


def _explain_client(home: Path, tree: Config, client: str, stem: str) -> None:
    typer.echo(f"{FOLDER}/{stem}.pem and .key: a client with both is the user {client}, without a password")
    if client not in tree.broker.users:
        typer.echo(f"{client} is not a user yet: {style.tool('effectd', home)} user add {client}")
    if tree.broker.tls is None or tree.broker.tls.cafile is None:
        typer.echo(f"{FILE}: broker.tls.cafile; in force after: {style.tool('effectd', home)} restart broker")
    typer.echo(
        f"Copy both, and {FOLDER}/{CA}, to that client:\n"
        f"  mosquitto_pub -h HOST -p {tree.broker.port} --cafile {CA} --cert {stem}.pem --key {stem}.key ..."
    )
