"""`effectd check`: checks config.yaml and supervisor.conf, separately and against each other; one line per error."""

import configparser
import io
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import typer

from effectd.base.errors import ConfigError
from effectd.base.near import did_you_mean
from effectd.cli import built, check_users, not_in_force, ports
from effectd.cli.supervisor_keys import KEYS, OTHERS
from effectd.config import lights, programs, reader, run_folder
from effectd.config.reader import FILE, SUPERVISOR_FILE, Config

_SECTION = """[program:{name}]
command=python -m {command} --home "%(here)s"
directory=%(here)s
priority={priority}
autorestart=unexpected
exitcodes=78
startsecs=1
startretries=10
stopasgroup=true
stopwaitsecs=5
redirect_stderr=true
stdout_logfile=%(here)s/run/log/{name}.log
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=3
environment=PYTHONUNBUFFERED="1"
"""


class Problem(NamedTuple):
    """`paste` is a section that would fix it, ready to paste into supervisor.conf."""

    error: ConfigError
    paste: str = ""


def run(home: Path) -> int:
    found = problems(home)
    for problem in found:
        typer.echo(str(problem.error))
    if missing := [problem.paste for problem in found if problem.paste]:
        typer.echo(f"\nto paste into {SUPERVISOR_FILE}:\n")
        typer.echo("\n".join(missing))
    if found:
        return 78
    tree = reader.load(home)
    for name, device in tree.devices.items():
        if device.kind == "serial" and device.bus is None and device.options.get("shared"):
            what = (
                "works; one process for the board does it better: buses: {board: {kind: serial, options: {port: ...}}}"
            )
            typer.echo(str(tree.option_error(name, ("options", "shared"), what)))
    for name in tree.buses:
        if not tree.devices_of(name):
            typer.echo(str(tree.option_error(name, (), f"no device has `bus: {name}`: it needs no program")))
    for key, who in ports.not_to_be_had(tree):
        typer.echo(f"{ConfigError(home / FILE, tree.file.line(*key.split('.')), key, who)} (a warning)")
    for line in check_users.advice(tree):
        typer.echo(line)
    for zone, light in lights.unlimited(tree.devices):
        who = "is remote" if tree.devices[light].remote else "has max_flash_hz 0"
        what = f"{light} {who}: no flash limit holds for the lights of {zone} together (docs/safety.md)"
        typer.echo(str(tree.option_error(light, ("limits", "max_flash_hz"), what)))
    typer.echo(f"{FILE} and {SUPERVISOR_FILE} are good: {len(tree.devices)} devices")
    for line in not_in_force.lines(tree):
        typer.echo(line)
    return 0


def problems(home: Path) -> list[Problem]:
    """Everything that is wrong, in the order of the files; [] if `up` may start."""
    run_folder.check(home)
    conf = SupervisorFile(home / SUPERVISOR_FILE)
    try:
        tree = reader.load(home)
    except ConfigError as error:  # it concerns every program; what does not need it is still compared
        return [Problem(error), *conf.problems]
    wrong = [Problem(error) for error in (*tree.errors, *built.errors(tree), *check_users.problems(home))]
    if conf.broken:
        return [*wrong, *conf.problems]
    return [*wrong, *_missing(tree, conf), *conf.problems, *_foreign(tree, conf)]


def section(program: str) -> str:
    """The section of supervisor.conf that runs `program`."""
    return _SECTION.format(name=program, command=programs.command(program), priority=programs.of(program).priority)


class SupervisorFile:
    """supervisor.conf as supervisor reads it, and the line of each section and key. `broken`: it could not be read.

    `text` stands for what is not written to `path` yet.
    """

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.broken = False
        self._lines: dict[tuple[str, str], int] = {}
        self.parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))  # as supervisor's
        try:
            text = path.read_text() if text is None else text
        except (OSError, UnicodeDecodeError) as error:
            self._break(1, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return
        self._scan(text)
        try:
            self.parser.read_string(text)
        except configparser.MissingSectionHeaderError as error:
            self._break(error.lineno, "stands before the first [section]")
        except configparser.ParsingError as error:
            for line, shown in error.errors:
                self._break(line, f"neither [section] nor key=value: {shown}")
        if not self.broken:
            self._look_at_each()
            self._ask_supervisor(text)

    @property
    def programs(self) -> dict[str, list[str]]:
        """Each [program:x] with the words of its command."""
        return {
            name.removeprefix("program:"): _words(self.parser.get(name, "command", fallback=""))
            for name in self.parser.sections()
            if name.startswith("program:")
        }

    def problem(self, section_: str, key: str, what: str) -> Problem:
        line = self._lines.get((section_, key)) or self._lines.get((section_, ""), 1)
        return Problem(ConfigError(self.path, line, f"{section_}.{key}" if key else section_, what))

    def _break(self, line: int, what: str) -> None:
        self.broken = True
        self.problems.append(Problem(ConfigError(self.path, line, "", what)))

    def _scan(self, text: str) -> None:
        """Find the lines; report repeated sections and keys, of which supervisor would silently use the last."""
        section_ = ""
        for number, line in enumerate(text.splitlines(), 1):
            if header := re.match(r"\[([^]]+)\]", line):
                section_, key = header.group(1), ""
            elif option := re.match(r"([^\s;#\[=:][^=:]*?)\s*[=:]", line):
                key = option.group(1).lower()
            else:
                continue
            if (first := self._lines.setdefault((section_, key), number)) != number:
                where = f"{section_}.{key}" if key else section_
                what = f"repeated; it is in line {first} already"
                self.problems.append(Problem(ConfigError(self.path, number, where, what)))

    def _look_at_each(self) -> None:
        for name in self.parser.sections():
            if name.startswith("program:") and re.fullmatch("0+", self.parser.get(name, "startsecs", fallback="1")):
                what = "0 would start a failing program hundreds of times a second; allowed is 1 or more"
                self.problems.append(self.problem(name, "startsecs", what))

    def line(self, section_: str) -> int | None:
        """The line of [section_], or None."""
        return self._lines.get((section_, ""))

    def _ask_supervisor(self, text: str) -> None:
        """supervisor's own reader judges the values; it needs the folder of the logs, which `up` makes."""
        from supervisor.options import ServerOptions  # heavy

        if not (self.path.parent / "run" / "log").is_dir():
            return
        file = io.StringIO(text)
        file.name = str(self.path)  # where the files that it includes are looked for
        options = ServerOptions()
        options.here, options.configfile = str(self.path.parent), file
        try:
            options.process_config_file(do_usage=False)
        except (ValueError, configparser.Error) as error:
            text = re.sub(r" \(file: .*\)$", "", " ".join(str(error).split()))
            named = [s for s in self.parser.sections() if re.search(rf"\b{re.escape(s)}\b", text)]
            self.problems.append(self.problem(max(named, key=len, default=""), "", text))
        else:
            self._find_unknown()

    def _find_unknown(self) -> None:
        """What supervisor would silently ignore."""
        for section_ in self.parser.sections():
            name, colon, _ = section_.partition(":")
            kind = name + colon
            if kind not in (*KEYS, *OTHERS):
                what = "unknown section; known are " + ", ".join(f"[{name}]" for name in (*KEYS, *OTHERS))
                self.problems.append(self.problem(section_, "", what))
            for key in self.parser.options(section_) if kind in KEYS else ():
                if key not in KEYS[kind]:
                    what = "unknown key; supervisor would ignore it" + did_you_mean(key, KEYS[kind])
                    self.problems.append(self.problem(section_, key, what))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an open quote: supervisor's reader reports it
        return command.split()


def _missing(tree: Config, conf: SupervisorFile) -> list[Problem]:
    """Programs that config.yaml needs and supervisor.conf does not have."""
    found = []
    for name in tree.programs:
        if name not in conf.programs:
            key = programs.of(name).name or f"{'buses' if name in tree.buses else 'devices'}.{name}"
            line = tree.file.line(*key.split("."))
            what = f"no [program:{name}] in {conf.path.name} runs it"
            found.append(Problem(ConfigError(tree.home / FILE, line, key, what), section(name)))
    return found


def _foreign(tree: Config, conf: SupervisorFile) -> list[Problem]:
    """Programs of ours in supervisor.conf that config.yaml does not know, or whose command is not their name's."""
    wrong = {error.device for error in tree.errors}
    found = []
    for name, words in conf.programs.items():
        module, argument = _module(words)
        if module == programs.DEVICE.module:
            if (what := _needless(tree, name)) and name not in wrong:
                found.append(conf.problem(f"program:{name}", "", what))
            elif argument != name:
                what = f"runs the driver of {argument!r}; it must be {name!r}, the name of its section"
                found.append(conf.problem(f"program:{name}", "command", what))
        elif name == programs.PAGE and name not in tree.programs:
            what = f"{FILE} has no `page:`; add `page: {{}}` there, or remove this section"
            found.append(conf.problem(f"program:{name}", "", what))
        elif name == (row := programs.of(name)).name and module != row.module:
            what = f"must run `python -m {row.module}`"
            found.append(conf.problem(f"program:{name}", "command", what))
    return found


def _needless(tree: Config, name: str) -> str:
    """Why this home needs no driver program `name`; "" = it does."""
    if name in tree.programs:
        return ""
    if name in tree.buses:
        return f"no device has `bus: {name}`: there is nothing to drive; remove this section"
    if (device := tree.devices.get(name)) is None:
        known = [*tree.buses, *tree.devices]
        return f"{FILE} has no device {name!r}; known: {', '.join(known) or 'none'}{did_you_mean(name, known)}"
    if device.remote:
        return f"device {name!r} is of kind remote: its driver runs elsewhere; remove this section"
    return f"device {name!r} is driven by the program of its bus {device.bus!r}; remove this section"


def _module(words: list[str]) -> tuple[str, str]:
    """The module after -m and the first word after it that is no option: `drivers`, `wind`."""
    if "-m" not in words[:-1]:
        return "", ""
    module, *rest = words[words.index("-m") + 1 :]
    while rest and rest[0].startswith("--home"):
        rest = rest[1:] if "=" in rest[0] else rest[2:]
    return module, rest[0] if rest else ""
