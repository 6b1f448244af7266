"""`effectd doctor`: checks a home in eleven lines, each with what to do; or tests another broker."""

import contextlib
import ctypes
import importlib.util
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import typer

from effectd.access import certificates, passwords
from effectd.base.errors import ConfigError
from effectd.cli import check, check_users, far_clocks, finding, page_url, ports, style
from effectd.cli.finding import NOTE, OK, WRONG, Line
from effectd.config import exposure, reader
from effectd.config.reader import FILE, Config
from effectd.config.schema import Broker
from effectd.supervision.health import Health

_EXTRAS = {"serial": "serial", "gpiozero": "gpio"}  # module -> extra
_UNSYNCHRONISED = 5  # TIME_ERROR, adjtimex(2)


def run(home: Path) -> int:
    """1 if a line says `wrong`."""
    lines = [_files(home)]
    try:
        tree = reader.load(home, reach=False)
    except ConfigError as error:  # nothing else can be said of it
        lines.append(Line(WRONG, "configuration", str(error)))
    else:
        looks: list[Callable[[Config], Line]] = [
            *(_broker, _websocket, _page, _users, _certificate, _ports, _private, _programs, _devices, _clock)
        ]
        lines += [look(tree) for look in looks]
    for line in lines:
        typer.echo(f"{style.paint(line.word, width=6)} {line.about:<12} {line.text}")
    return finding.code(lines)


def _files(home: Path) -> Line:
    found = check.problems(home)
    if found:
        more = f" (and {len(found) - 1} more: effectd check)" if len(found) > 1 else ""
        return Line(WRONG, "files", f"{found[0].error}{more}")
    return Line(OK, "files", f"{FILE} and {reader.SUPERVISOR_FILE} are good")


def _broker(tree: Config) -> Line:
    broker = tree.broker
    if not broker.embedded:
        return Line(OK, "broker", f"another one's, {broker.address}: who may do what is decided there")
    word, text = _reach(broker, broker.host, tls=exposure.has_tls(broker), insecure=broker.insecure)
    return Line(word, "broker", f"{broker.host}:{broker.port}{' by TLS' if exposure.has_tls(broker) else ''}: {text}")


def _reach(broker: Broker, host: str, *, tls: bool, insecure: bool) -> tuple[str, str]:
    """Who can reach a listener on `host`."""
    near, users = exposure.is_loopback(host), broker.users
    who = "every program of this machine" if near else "anyone on the network"
    if not users:
        cure = "" if near else ": effectd user add NAME"
        what = "needs no login, and may do all but what our own programs do"
        return (OK if near else WRONG), f"{who} {what}{cure}"
    if not near and not tls:
        risk = "passwords go over it in the clear: effectd certificate"
        return (NOTE if insecure else WRONG), f"{who} may try to log in, and {risk}"
    return OK, f"{who} may try to log in; {len(users)} users"


def _websocket(tree: Config) -> Line:
    web = tree.broker.websocket if tree.broker.embedded else None
    if web is None:
        return Line(OK, "websocket", "none: browsers cannot connect")
    word, text = _reach(tree.broker, web.host, tls=exposure.has_tls(tree.broker), insecure=tree.broker.insecure)
    pages = "pages of any site, with a login" if tree.broker.users else "pages of this machine"
    others = f" and of {', '.join(web.origins)}" if web.origins and not tree.broker.users else ""
    return Line(word, "websocket", f"{web.host}:{web.port}{web.path}, {pages}{others}: {text}")


def _page(tree: Config) -> Line:
    page = tree.page
    if page is None:
        return Line(OK, "page", "none: no HTTP")
    word, text = _reach(tree.broker, page.host, tls=exposure.has_tls(page), insecure=page.insecure)
    return Line(word, "page", f"{page_url.of(tree)}: {text}")


def _users(tree: Config) -> Line:
    if not tree.broker.embedded or not tree.broker.users:
        return Line(OK, "users", "none" if tree.broker.embedded else "those of the other broker")
    try:
        without = check_users.without_login(tree)
    except ConfigError as error:
        return Line(WRONG, "users", str(error))
    if without:
        return Line(WRONG, "users", f"no password for {', '.join(without)}: effectd user add NAME")
    return Line(OK, "users", f"{', '.join(tree.broker.users)}: effectd user list")


def _certificate(tree: Config) -> Line:
    files = tree.broker.tls if tree.broker.embedded else None
    if files is None or files.certfile is None:
        return Line(OK, "certificate", "none: what goes over the ports is not encrypted")
    path = tree.home / files.certfile
    try:
        days = certificates.days_left(path)
    except (OSError, ValueError) as error:
        return Line(WRONG, "certificate", f"{files.certfile}: {error}")
    if warning := certificates.warning(path):
        return Line(WRONG, "certificate", warning)
    asked = "" if files.cafile is None else "; clients may show one, too: its common name is the user"
    return Line(OK, "certificate", f"{files.certfile} is good for {days:.0f} days{asked}")


def _ports(tree: Config) -> Line:
    """Who holds them: this home's programs, none while they do not run, or another program."""
    wanted = ports.wanted(tree)
    if not wanted:
        return Line(OK, "ports", "none of our own")
    ours = {each.program: _pid(tree.home, each.program) for each in wanted}
    troubles = [(each, reason) for each in wanted if (reason := ports.trouble(each))]
    wrong = [reason for each, reason in troubles if f"(pid {ours[each.program]})" not in reason]
    if wrong:
        return Line(WRONG, "ports", f"{'; '.join(wrong)}: change that, or broker.port or page.port in {FILE}")
    who = [name for name, pid in ours.items() if pid]
    state = f"held by our {' and '.join(sorted(who))}" if who else "free"
    return Line(OK, "ports", f"{', '.join(str(each.port) for each in wanted)}: {state}")


def _pid(home: Path, program: str) -> int:
    with Health(home, [program]) as look:
        row = look.look()[program]
        return row.pid or 0


def _private(tree: Config) -> Line:
    """Files that others could read or write."""
    return _first_wrong("rights", _open_to_others(tree), "run/, passwords and keys are for their owner alone")


def _open_to_others(tree: Config) -> Iterator[str]:
    home = tree.home
    for path, mode in ((home / "run", 0o077), (home / passwords.FILE, 0o077), (home, 0o002), (home / FILE, 0o002)):
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode) and path.name == "run":
                yield f"{path} is a symbolic link: remove it"
            elif found.st_mode & mode:
                yield f"{path} is open to others: chmod {'go-rwx' if mode == 0o077 else 'o-w'} {path}"
    if _holds_secrets(home / FILE) and (home / FILE).stat().st_mode & 0o044:
        yield f"{FILE} holds a password or token, and others can read it: chmod 600 {home / FILE}"
    with contextlib.suppress(OSError):
        for path in (home / certificates.FOLDER).glob("*.key"):
            if path.stat().st_mode & 0o077:
                yield f"{path} is open to others: chmod 600 {path}"


def _holds_secrets(path: Path) -> bool:
    words = re.compile(r"^[^#]*\b(password|token|secret|authorization|api_?key)\b\s*['\"]?\s*:\s*['\"]?[^\s'\"#]", re.I)
    return any(words.match(line) for line in path.read_text(errors="replace").splitlines())


def _first_wrong(about: str, found: Iterator[str], good: str) -> Line:
    problems = list(found)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Line(WRONG, about, problems[0] + more) if problems else Line(OK, about, good)


def _programs(tree: Config) -> Line:
    try:
        health = Health(tree.home)
    except ConfigError:
        return Line(NOTE, "programs", "none can start by this configuration")
    with health as look:
        rows = look.look()
        if look.alone:
            return Line(NOTE, "programs", "none runs: effectd up")
    late = [
        f"{name} is {row.state}{f': {row.reason}' if row.reason else ''}" for name, row in rows.items() if not row.ready
    ]
    return _first_wrong("programs", iter(late), f"all {len(rows)} are ready")


def _devices(tree: Config) -> Line:
    """Ports and pins that this user may not open, or that do not exist; extras that are not installed."""
    missing = [extra for module, extra in _EXTRAS.items() if importlib.util.find_spec(module) is None]
    line = _first_wrong("devices", _unusable(tree), f"{len(tree.devices)} in {FILE}, none that could not be opened")
    extras = f"; not installed: {', '.join(f'effectd[{extra}]' for extra in missing)}" if missing else ""
    return line._replace(text=line.text + extras)


def _unusable(tree: Config) -> Iterator[str]:
    for name in tree.devices:
        kind, options = _kind(tree, name)
        port = options.get("port")
        if kind == "serial" and isinstance(port, str) and port.startswith("/"):
            if not Path(port).exists():
                yield f"{name}: {port} is not there: is it plugged in?"
            elif not os.access(port, os.R_OK | os.W_OK):
                yield f"{name}: no right to {port}: sudo usermod -aG dialout $USER, then log in again"
        chips = list(Path("/dev").glob("gpiochip*")) if kind == "gpio" else []
        if chips and not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
            yield f"{name}: no right to {chips[0]}: sudo usermod -aG gpio $USER, then log in again"


def _kind(tree: Config, name: str) -> tuple[str, dict[str, object]]:
    device = tree.devices[name]
    bus = tree.buses.get(device.bus) if device.bus is not None else None
    return (device.kind, device.options) if bus is None else (bus.kind, bus.options)


def _clock(tree: Config) -> Line:
    """This machine's, and how far those of others are from it."""
    line, (far, apart) = _own_clock(), far_clocks.look(tree)
    return Line(NOTE if far and line.word == OK else line.word, line.about, line.text + apart)


def _own_clock() -> Line:
    """Whether it runs steadily, is about right, and is synchronised by a time server."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.1)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    if abs(drift) > 0.05 or wall < os.stat(__file__).st_mtime - 86_400:
        return Line(
            WRONG, "clock", f"{time.ctime(wall)}: it jumps, or is in the past: set it (timedatectl set-ntp true)"
        )
    up = f"this machine is up for {(time.time() - psutil.boot_time()) / 3600:.1f} h"
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    if state == _UNSYNCHRONISED:
        return Line(NOTE, "clock", f"it is not synchronised by a time server: `expires_at` may be judged wrongly; {up}")
    return Line(OK, "clock", f"it goes right; {up}")
