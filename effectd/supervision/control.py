"""Client of this home's supervisord, by its UNIX socket: each call has a time limit and resumes a stopped one."""

import contextlib
import os
import signal
import socket
import time
import xmlrpc.client
from collections.abc import Collection, Iterable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from supervisor.xmlrpc import Faults, SupervisorTransport, UnixStreamHTTPConnection

from effectd.config import run_folder
from effectd.config.reader import SUPERVISOR_FILE
from effectd.program.standstill import stopped
from effectd.supervision import code, living
from effectd.supervision.plan import Sections

LIMIT_S = 5.0  # a call; its socket, if that was removed, is bound again sooner
_AGAIN_S = 0.1
_STOP_S = 60.0
_LOOK_S = 0.02


class NotRunning(Exception):
    """No supervisord runs in this home: start it with `effectd up`."""


class ShuttingDown(NotRunning):
    """It is shutting down and accepts no more orders: wait until it is gone."""


class NoAnswer(Exception):
    """supervisord runs, as `pid`, but does not answer; the message says why."""

    def __init__(self, pid: int, why: str) -> None:
        super().__init__(f"supervisord (pid {pid or 'unknown'}) runs, but {why}")
        self.pid = pid


class Supervisor:
    """The few calls that we need. Each raises NotRunning, or NoAnswer after 5 s; making one NotYours, ConfigError."""

    def __init__(self, home: Path) -> None:
        run_folder.check(home)
        self.config_file = home / SUPERVISOR_FILE
        self._home, self._path = home, home / "run" / "supervisor.sock"
        self._transport = SupervisorTransport(None, None, f"unix://{self._path}")
        self._transport._get_connection = self._connection
        self._limit_s = LIMIT_S  # what is left of it
        self._pid = 0
        # the address is only for show: the transport goes to the socket
        self._rpc: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transport)

    def pid(self) -> int:
        return int(self._call("supervisor.getPID"))

    def programs(self) -> dict[str, dict[str, Any]]:
        """supervisord's own view, by program: `statename`, `pid`, `spawnerr`, ... (its manual, getProcessInfo)."""
        return {info["name"]: info for info in self._call("supervisor.getAllProcessInfo")}

    def restarts(self) -> dict[str, int]:
        """How often each program was started again; {} where there is no supervisord that could say it."""
        try:
            return dict(self._call("wake.restarts"))
        except (NotRunning, NoAnswer):
            return {}

    def sections(self) -> Sections:
        """Read supervisor.conf again, and return how it differs from what is loaded; nothing is applied yet."""
        [[added, changed, removed]] = self._call("supervisor.reloadConfig")
        return Sections(added, changed, removed)

    def add(self, group: str) -> None:
        """Load a group of supervisor.conf; it starts, unless it has autostart=false."""
        self._try("supervisor.addProcessGroup", group, but=Faults.ALREADY_ADDED)  # by another client at the same time

    def remove(self, group: str) -> None:
        """Unload a group whose programs have ended."""
        self._try("supervisor.removeProcessGroup", group, but=Faults.BAD_NAME)

    def start(self, programs_: Iterable[str]) -> None:
        """Start those that do not run yet; returns at once. `health` shows one that cannot be started."""
        for name in programs_:
            end = time.monotonic() + _STOP_S
            while (info := self.programs().get(name)) and info["statename"] == "STOPPING" and time.monotonic() < end:
                time.sleep(_AGAIN_S)
            if info:
                with contextlib.suppress(xmlrpc.client.Fault):
                    self._call("supervisor.startProcess", _full_name(info), False)

    def stop(self, programs_: Collection[str]) -> None:
        """Stop all at once; returns when all of them have ended."""
        known = self.programs()
        for name in programs_:
            if name in known:
                self._try("supervisor.stopProcess", _full_name(known[name]), False, but=Faults.NOT_RUNNING)
        end = time.monotonic() + _STOP_S
        while time.monotonic() < end:
            known = self.programs()
            if not any(known[name]["pid"] for name in programs_ if name in known):
                return
            time.sleep(_LOOK_S)

    def reread(self, program: str) -> None:
        """Make a program that can do so read config.yaml again; one that does not run reads it at its start."""
        try:
            self._call("supervisor.signalProcess", program, "HUP")
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in (Faults.NOT_RUNNING, Faults.BAD_NAME):
                raise

    def behind(self) -> list[str]:
        """What is out of date in supervisord until it is restarted, in words."""
        methods, found = self._call("system.listMethods"), []
        older = "watchdog.code" not in methods or self._call("watchdog.code") != code.installed()
        if older and "watchdog.kills" in methods:  # else its file names no watchdog, which could say it
            found.append("supervisord runs older code than is installed")
        if "watchdog.sections" in methods and self._call("watchdog.sections") != code.own_sections(self.config_file):
            found.append(f"what {SUPERVISOR_FILE} says of supervisord itself has changed since its start")
        return found

    def reread_supervision(self) -> None:
        """Make the watchdog reload `supervision` of config.yaml; an earlier version does so only at its start."""
        self._try("watchdog.reread", but=Faults.UNKNOWN_METHOD)

    def shutdown(self) -> None:
        self._call("supervisor.shutdown")

    def _try(self, method: str, *arguments: Any, but: int) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != but:
                raise

    def _call(self, method: str, *arguments: Any) -> Any:
        """One connection per call: supervisord, or its socket, may be replaced between two calls."""
        end = time.monotonic() + LIMIT_S
        while True:
            self._limit_s = max(_AGAIN_S, end - time.monotonic())
            self._wake()
            try:
                return getattr(self._rpc, method)(*arguments)
            except (OSError, HTTPException, xmlrpc.client.ProtocolError, ExpatError) as error:
                self._pid = living.supervisord(self._home)
                if not self._pid:
                    raise NotRunning(str(error)) from None
                if time.monotonic() >= end:
                    raise NoAnswer(self._pid, self._what_is_wrong(error)) from None
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == Faults.SHUTDOWN_STATE:
                    raise ShuttingDown("supervisord is ending") from None
                raise
            finally:
                if self._transport.connection is not None:
                    self._transport.connection.close()
                    self._transport.connection = None
            time.sleep(_AGAIN_S)

    def _connection(self) -> UnixStreamHTTPConnection:
        """supervisor's own transport has no time limit and hangs with supervisord; we found no issue about that."""
        limit_s, path = self._limit_s, str(self._path)

        class Connection(UnixStreamHTTPConnection):  # type: ignore[misc]
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.settimeout(limit_s)
                self.sock.connect(path)

        return Connection("localhost")

    def _wake(self) -> None:
        self._pid = self._pid or living.supervisord(self._home)
        if self._pid > 1 and stopped(self._pid):
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGCONT)

    def _what_is_wrong(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | BlockingIOError):
            return f"does not answer within {LIMIT_S:g} s"
        if isinstance(error, FileNotFoundError):
            return f"its socket {self._path} is missing"
        return f"its socket {self._path} leads nowhere ({error}): effectd down ends it"


def _full_name(info: dict[str, Any]) -> str:
    return f"{info['group']}:{info['name']}"
