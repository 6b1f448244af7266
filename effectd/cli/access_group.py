"""`effectd certificate` and `doctor`: their options and examples; the code is in the files of their names."""

from typing import Annotated

import typer

from effectd.cli import user_group
from effectd.cli.options import HOME, Home

group = typer.Typer()
group.add_typer(user_group.group, name="user")


@group.command(
    "certificate",
    epilog="""Exit code: 0 made, 69 openssl is missing or refused, 78 config.yaml cannot be changed.

effectd certificate             effectd certificate show.example 192.0.2.7

effectd certificate --client fan-esp""",
)
def _certificate(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="More names of this host.")] = None,
    client: Annotated[
        str | None, typer.Option(metavar="USER", help="A client's instead: its common name is the user.")
    ] = None,
    days: Annotated[int, typer.Option(metavar="N", min=1, max=3650, help="How long it is good for.")] = 398,
    home: Home = HOME,
) -> None:
    """TLS for the broker: a private CA, a certificate for this host's names and addresses. Again = renewed."""
    from effectd.cli import certificate

    raise typer.Exit(certificate.run(home, names or [], client, days))


@group.command(
    "doctor",
    epilog="""Exit code: 0 nothing is wrong, 1 something is (each line says what to do), 69 no broker at HOST:PORT.

effectd doctor             effectd doctor --broker broker.example:1883 --username room --password-env ROOM_PASSWORD""",
)
def _doctor(
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Test what that broker can do, instead.")
    ] = None,
    username: Annotated[str | None, typer.Option(metavar="NAME", help="With --broker: who logs in.")] = None,
    password_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="With --username: the environment has the password there.")
    ] = None,
    tls: Annotated[
        str | None, typer.Option(metavar="CAFILE", help="With --broker: by TLS; `system`: this machine's own CAs.")
    ] = None,
    home: Home = HOME,
) -> None:
    """Check this home: what is open to whom, ports, rights, certificates, programs, devices, the clock."""
    if broker is None:
        from effectd.cli import doctor

        raise typer.Exit(doctor.run(home))
    from effectd.cli import conformance

    raise typer.Exit(conformance.run(home, broker, username, password_env, tls))
