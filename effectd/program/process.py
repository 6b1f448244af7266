"""Runs one effectd program under supervisord: opens its gate first, then works, then exits with a meaningful code.

Exit codes (sysexits.h): 0 asked to stop, 1 a defect (traceback in the log), 75 another one runs already (only when
started by hand), 77 the home is another user's, 78 the configuration is wrong.
"""

import argparse
import ctypes
import logging
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from effectd.base import log
from effectd.base.errors import ConfigError, NotYours
from effectd.base.loop import AnyLoop
from effectd.config import part, reader, run_folder
from effectd.config.schema import Broker
from effectd.messages import topics
from effectd.program.crashes import WORKED_S, Crashes
from effectd.program.supervisord_guard import SupervisordGuard
from effectd.readiness.gate import Gate, GateHeld
from effectd.readiness.gate_watcher import GateWatcher

_LAST_RESORT_S = 0.9  # from the death of supervisord to the end of a hung process: everything is gone within 1 s

logger = logging.getLogger(__name__)


class Process:
    """What `main` is given: the home, the configuration, the gate, and how it is stopped."""

    def __init__(self, name: str, home: Path) -> None:
        if not topics.DEVICE_ID.fullmatch(name):
            raise ConfigError(home / reader.FILE, 1, f"devices.{name}", "no device id: 1 to 32 of a-z 0-9 -")
        self.name = name
        self.home = home
        self.run = home / "run"
        self.gate = Gate(self.run, name)
        self.config = reader.Config(home, "", Broker(), {}, {}, ())
        self.crashes = Crashes(self.run, name)
        self.hung_up = False  # SIGHUP came before it could be acted on
        self.wait_s = 0.0  # how long it has to wait before it works, if it keeps crashing
        self._loop: AnyLoop | None = None
        self._stop: Callable[[], None] = sys.exit
        self._orphaned = False
        self._watcher: GateWatcher | None = None

    def works_by(self, config: reader.Config) -> None:
        """Use this configuration, and say so on the gate. Raises ConfigError if this program's part is wrong."""
        own = part.of(config, self.name)
        self.config = config
        self.gate.configured(own, part.digest(own))

    def watcher(self, loop: AnyLoop) -> GateWatcher:
        """The gate watcher of this process: it watches supervisord and everything else that this program depends on."""
        if self._watcher is None:
            self._watcher = GateWatcher(loop, self.run)
        return self._watcher

    def serve(self, loop: AnyLoop, stop: Callable[[], None]) -> None:
        """From now on the gate is served by `loop`, and `stop` is called there at SIGTERM or the parent's death."""
        self._loop, self._stop = loop, self._asked_to_stop(stop)
        self.gate.attach(loop)
        SupervisordGuard(loop, self.watcher(loop), self.name)
        loop.call_later(WORKED_S, self._look)
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._stop)
        if self._orphaned:
            loop.call_soon(self._stop)

    def _asked_to_stop(self, stop: Callable[[], None]) -> Callable[[], None]:
        def asked() -> None:
            self.crashes.worked()
            stop()

        return asked

    def _look(self) -> None:
        """Has it been ready for 2 s? Then its end, however it comes, is no crash."""
        ready_s = time.monotonic() - self.gate.changed if self.gate.line.state == "ready" else 0.0
        if ready_s >= WORKED_S:
            self.crashes.worked()
        elif self._loop is not None:
            self._loop.call_later(max(0.2, WORKED_S - ready_s), self._look)

    def watch_parent(self) -> None:
        """End when supervisord is gone: its end of this process's stdin closes, whatever killed it.

        A thread, so that a hung loop ends as well. Not `getppid() == 1`: in a container supervisord may be pid 1.
        """
        if os.environ.get("SUPERVISOR_ENABLED") and stat.S_ISFIFO(os.fstat(0).st_mode):
            threading.Thread(target=self._await_parent, name="parent", daemon=True).start()

    def _await_parent(self) -> None:
        while os.read(0, 4096):
            pass
        last_resort = threading.Timer(_LAST_RESORT_S, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        self._orphaned = True
        if self._loop is None:  # nothing has been switched on yet
            os._exit(0)
        logger.warning("supervisord is gone; stopping")
        self._loop.call_soon_threadsafe(self._stop)


def run(
    name: str, main: Callable[[Process], int | None], *, home: Path | None = None, dies_at_once: bool = False
) -> int:
    """Run `main` as the program `name`; return its exit code.

    `dies_at_once`: the kernel kills the process with supervisord. Only for one that has nothing to switch off:
    SIGKILL would win over the end of stdin and leave a fan on.
    """
    log.to_stdout()
    process: Process | None = None

    def hang_up(_signal: int, _frame: object) -> None:
        """SIGHUP: only some programs reload their configuration; a signal that comes too early is remembered."""
        if process is not None:
            process.hung_up = True

    signal.signal(signal.SIGHUP, hang_up)
    try:
        process = Process(name, reader.find_home(home))
        run_folder.prepare(process.home)
        process.watch_parent()
        if dies_at_once and os.environ.get("SUPERVISOR_ENABLED"):
            _die_with_parent()
        process.gate.open(wait=bool(os.environ.get("SUPERVISOR_ENABLED")))
        process.wait_s = process.crashes.begin()
        process.works_by(reader.load(process.home))
        return main(process) or 0
    except ConfigError as error:
        logger.error("%s", error)
        if process is not None and process.gate.held:  # else we must not write in `run/`
            process.crashes.worked()  # waiting would not mend it
            process.gate.leave_word(str(error))
        return os.EX_CONFIG
    except NotYours as error:
        logger.error("%s", error)
        return os.EX_NOPERM
    except GateHeld as error:
        logger.error("%s", error)
        return os.EX_TEMPFAIL
    except Exception:  # the one place where defects are caught: logged with a traceback, then a fresh start
        logger.exception("%s failed", name)
        return 1


def command_line(what: str, *, device: bool = False) -> argparse.Namespace:
    """The arguments that every program takes: `--home DIR`, and for a driver the device id."""
    parser = argparse.ArgumentParser(description=what)
    if device:
        parser.add_argument("device", help="a key of devices: or buses: in config.yaml")
    parser.add_argument(
        "--home", type=Path, help="the folder with config.yaml (default: EFFECTD_HOME, else this folder)"
    )
    return parser.parse_args()


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
    if os.getppid() == 1 and os.environ.get("SUPERVISOR_PID") not in (None, "1"):
        os._exit(0)  # it died before this call
