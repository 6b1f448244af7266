"""The command line: each command with its options and examples; the code is in the file of the command's name.

Those files are imported when their command runs, so that `effectd --help` and `effectd send` stay quick.
"""

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from effectd import CONTRACT, __version__
from effectd.base.errors import ConfigError, NotYours
from effectd.cli import access_group, arguments, complete, device_group, quick, stopping, timeline_group
from effectd.cli.options import HOME, HOME_HELP, Home, Json, Lines

app = typer.Typer(
    name="effectd",
    help="Sensory effects over MQTT: an effect published by any MQTT client moves a device.",
    epilog="""[bold]First steps[/bold]

effectd up                            start all, wait until ready

effectd send wind 60 --duration 2s    blow at 60 % for two seconds

effectd watch                         the room, live (Ctrl-C ends it)

effectd stop                          everything off, now

effectd down                          shut everything down""",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The entry point `effectd`."""
    try:
        quick.command(app)()
    except (ConfigError, NotYours) as error:
        typer.echo(str(error), err=True)
        sys.exit(os.EX_CONFIG if isinstance(error, ConfigError) else os.EX_NOPERM)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"effectd {__version__} (contract {CONTRACT})")
        raise typer.Exit


@app.callback()
def _all(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option("--home", metavar="DIR", readable=False, help=HOME_HELP)] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="The version, and the contract's.")
    ] = False,
) -> None:
    ctx.obj = home


@app.command(
    "up",
    epilog="""Exit code: 0 ready, 3 not within --wait, 77 another user's home, 78 a file is wrong: nothing was started.

effectd up             effectd up --wait 120""",
)
def _up(
    home: Home = HOME,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait.")] = 30.0,
) -> None:
    """Check both files, start supervisord and whatever is stopped, wait until all of it is ready."""
    from effectd.cli import up

    raise typer.Exit(up.run(home, wait))


@app.command("down", epilog="Exit code: 0 everything is stopped, even if nothing ran, 1 not, 77 another user's home.")
def _down(home: Home = HOME) -> None:
    """Shut down supervisord and every program; each device goes off first."""
    from effectd.cli import down

    raise typer.Exit(down.run(home))


@app.command(
    "health",
    epilog="""Exit code: 0 all ready, 3 not, 77 another user's home.

effectd health --wait 10 && echo go             effectd health --json""",
)
def _health(
    home: Home = HOME,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait this long for all to be ready.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Show which programs are really ready, since when, or why not: a row per program."""
    from effectd.cli import health

    raise typer.Exit(health.run(home, wait, as_json=as_json))


@app.command("check", epilog="Exit code: 0 good, 78 not. It starts nothing and changes nothing.")
def _check(home: Home = HOME) -> None:
    """Compare config.yaml and supervisor.conf, both ways; print every error, and a missing section ready to paste."""
    from effectd.cli import check

    raise typer.Exit(check.run(home))


@app.command(
    "init",
    epilog="""Exit code: 0 made, 73 a home is there already (it stays), 78 the path is too long for a UNIX socket.

effectd init my-room --port auto             then: effectd --home my-room up""",
)
def _init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder; created if missing.")],
    port: Annotated[
        str | None, typer.Option(metavar="N", help="The broker's; `auto`: a free one. Default: 1883.")
    ] = None,
) -> None:
    """A new home of four virtual devices: both files, with comments, and the folders for sockets and logs."""
    from effectd.cli import init

    raise typer.Exit(init.run(folder, arguments.port(port)))


app.add_typer(device_group.group, name="device")
app.add_typer(access_group.group)
timeline_group.add_to(app)


@app.command(
    "send",
    cls=arguments.NumbersMayBeNegative,
    epilog="""Exit code: 0 done, 1 any other end (its reason is shown), 69 no broker, 75 no receipt.

effectd send wind 60 --duration 2s

effectd send light high --param color=orange --location left

effectd send light high --fade 500ms --duration 10s --target row-a

effectd send vibration --param 'pattern=\\[1, 0, 1]' --ttl 500 --priority 9

effectd send scent low --dry-run""",
)
def _send(  # noqa: PLR0917 - typer passes them by name
    effect_type: complete.EffectType,
    intensity: complete.Intensity = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="2s, 500ms, 2000; then off; 0 holds it. Default: the type's own.")
    ] = None,
    location: Annotated[str | None, typer.Option(metavar="PLACE", help="Such as left:middle:front.")] = None,
    target: complete.Target = None,
    fade: Annotated[str | None, typer.Option(metavar="TIME", help="Move there in this time. Default: at once.")] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="For the driver; V is JSON or text.")] = None,
    ttl: Annotated[str | None, typer.Option(metavar="TIME", help="Not started by then: expired. Default: 2s.")] = None,
    priority: Annotated[int | None, typer.Option(metavar="0-9", help="The greater wins. Default: 5.")] = None,
    id_: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The same id again is the same effect. Default: a new one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which devices would do what.")] = False,
    as_json: Json = False,
    home: Home = HOME,
) -> None:
    """Publish an effect, wait for its final receipt, show it. --target and --param may be repeated."""
    from effectd.cli import send

    if not re.fullmatch(r"[^+#\0\s/]+(/[^+#\0\s]*)?", effect_type):
        raise typer.BadParameter("a key of effects: in config.yaml, without + # or blanks", param_hint="TYPE")
    fields = {
        "id": id_,
        "intensity": None if intensity is None else arguments.number(intensity),
        "duration": arguments.milliseconds(duration, "--duration"),
        "location": location,
        "target": target or None,
        "fade": arguments.milliseconds(fade, "--fade"),
        "parameters": dict(arguments.parameter(text) for text in param) if param else None,
        "ttl_ms": arguments.milliseconds(ttl, "--ttl"),
        "priority": priority,
    }
    given = {key: value for key, value in fields.items() if value is not None}
    raise typer.Exit(send.run(home, effect_type, given, dry_run=dry_run, as_json=as_json))


app.add_typer(stopping.app)


@app.command(
    "logs",
    epilog="""Exit code: 0. Without NAME all programs, each line with its program's name. Ctrl-C ends -f.

effectd logs wind             effectd logs -f             effectd logs supervisord""",
)
def _logs(
    name: complete.ProgramOrAll = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    home: Home = HOME,
) -> None:
    """What a program has said lately; its whole log is in run/log."""
    from effectd.cli import logs

    raise typer.Exit(logs.run(home, name, follow=follow))


@app.command("restart", epilog="Exit code: 0 ready again, 3 not within 15 s, 77 another user's home.")
def _restart(
    name: complete.ProgramOrAll = None,
    home: Home = HOME,
) -> None:
    """Stop a program and start it again; a device goes off first."""
    from effectd.cli import restart

    raise typer.Exit(restart.run(home, name))


@app.command("schema", epilog="Name it in config.yaml: # yaml-language-server: $schema=...; a new home's does so.")
def _schema() -> None:
    """Print the JSON Schema of config.yaml: an editor that has it completes, explains and checks each key."""
    from effectd.cli import schema

    raise typer.Exit(schema.run())


@app.command("service")
def _service(home: Home = HOME) -> None:
    """Print the systemd unit that starts this home at boot, and again whatever happens."""
    from effectd.cli import service

    raise typer.Exit(service.run(home))


@app.command(
    "watch",
    epilog="""Without a terminal it prints lines. It waits for a broker that is away. Ctrl-C ends it (exit code 0).

effectd watch             effectd watch --json | jq .topic""",
)
def _watch(as_lines: Lines = False, as_json: Json = False, home: Home = HOME) -> None:
    """The room, live: what each device does, drawn; who is ready; what was not done."""
    from effectd.cli.watch import command

    raise typer.Exit(command.run(home, as_lines=as_lines, as_json=as_json))


@app.command("open", epilog="Exit code: 0, 3 no page is served. The URL is printed in any case.")
def _open(
    browser: Annotated[bool, typer.Option(help="Have a browser show it; without a display there is none.")] = True,
    home: Home = HOME,
) -> None:
    """Open the page in a browser: the room, live, to look at and to operate."""
    from effectd.cli import page_url

    raise typer.Exit(page_url.run(home, browser=browser))


@app.command(
    "record",
    epilog="""Appends; - is stdout. Reconnects by itself. Ctrl-C or SIGTERM ends it (exit code 0); 73, 74: FILE cannot
be written. The lines are explained in docs/record.md.

effectd record run/history.jsonl             effectd record - --seconds 60 | grep ended""",
)
def _record(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to append; - is stdout.")],
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="S", min=0, help="End by itself then.")] = None,
    home: Home = HOME,
) -> None:
    """Write each effect's life and each program's state into a file, a JSON line an event."""
    from effectd.cli import record

    raise typer.Exit(record.run(home, file, seconds))


@app.command(
    "demo", epilog="Exit code: 0 every effect was done and the killed driver came back, 1 not, 3 not ready, 78."
)
def _demo(
    down: Annotated[bool, typer.Option("--down", help="End everything afterwards.")] = False, home: Home = HOME
) -> None:
    """Start everything, play a short storm, kill a driver in front of you, and show it back."""
    from effectd.cli import demo

    raise typer.Exit(demo.run(home, down=down))
