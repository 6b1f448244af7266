"""`effectd user ...`: each command with its options and examples; the code is in user.py."""

from typing import Annotated

import typer

from effectd.cli.options import HOME, Home

group = typer.Typer(no_args_is_help=True, help="Who may connect to the broker's port, and what they may do there.")


@group.command(
    "add",
    epilog="""Exit code: 0 in force, 78 not possible (nothing was changed). The password is asked for, or read from
standard input. A user that is there already gets another password. Without any right named: effects and timelines in,
everything that comes back out.

effectd user add anna

effectd user add fan-esp --device fan < password.txt

effectd user add desk --publish 'effects/#' --publish stop-all --subscribe 'receipts/#'""",
)
def _add(  # noqa: PLR0917 - typer passes them by name
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 of A-Z a-z 0-9 . _ @ -.")],
    publish: Annotated[
        list[str] | None, typer.Option(metavar="FILTER", help="What it may publish, topic_root included.")
    ] = None,
    subscribe: Annotated[list[str] | None, typer.Option(metavar="FILTER", help="What it may subscribe to.")] = None,
    device: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A `kind: remote` device that it acts for.")
    ] = None,
    operate: Annotated[bool, typer.Option("--operate", help="May restart and read logs on the page.")] = False,
    home: Home = HOME,
) -> None:
    """Add a user, or give one another password. --publish, --subscribe and --device may be repeated."""
    from effectd.cli import user

    raise typer.Exit(user.add(home, name, publish or [], subscribe or [], device or [], operate=operate))


@group.command("remove", epilog="Exit code: 0 removed, 78 there is no such user, or it is the last one that is needed.")
def _remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A user of config.yaml.")], home: Home = HOME
) -> None:
    """Remove a user from config.yaml and `passwords`; clients with that name are disconnected at once."""
    from effectd.cli import user

    raise typer.Exit(user.remove(home, name))


@group.command("list", epilog="Exit code: 0, 78 a file cannot be read.")
def _list(home: Home = HOME) -> None:
    """A row per user: its rights, and whether it has a password."""
    from effectd.cli import user

    raise typer.Exit(user.show(home))
