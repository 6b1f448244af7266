"""Talk to this home's supervisord over its UNIX socket."""

import xmlrpc.client
from http.client import HTTPException
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from effectd.config import SUPERVISOR_FILE


class NotRunning(Exception):
    """No supervisord answers for this home: start it with `effectd up`."""


class ShuttingDown(NotRunning):
    """It ends its programs now and takes no more orders: wait until nobody answers."""


class Supervisor:
    """The few calls that we need. Each raises NotRunning where nobody answers."""

    def __init__(self, home: Path) -> None:
        self.config_file = home / SUPERVISOR_FILE
        self._transport = SupervisorTransport(None, None, f"unix://{home / 'run' / 'supervisor.sock'}")
        # the address is only for show: the transport goes to the socket
        self._rpc: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transport)

    def pid(self) -> int:
        return int(self._call("supervisor.getPID"))

    def programs(self) -> dict[str, dict[str, Any]]:
        """supervisord's own view, by program: `statename`, `pid`, `spawnerr`, ... (its manual, getProcessInfo)."""
        return {info["name"]: info for info in self._call("supervisor.getAllProcessInfo")}

    def restarts(self) -> dict[str, int]:
        return dict(self._call("wake.restarts"))

    def start_all(self) -> None:
        self._call("supervisor.startAllProcesses", False)

    def stop_all(self) -> None:
        """Returns when all have ended."""
        self._call("supervisor.stopAllProcesses")

    def take_in_new(self) -> list[str]:
        """Start to run the programs that supervisor.conf has gained; the names of those changed or removed there."""
        [[added, changed, removed]] = self._call("supervisor.reloadConfig")
        for name in added:
            self._add(name)
        return [*changed, *removed]

    def take_in(self, program: str) -> None:
        """Start to run one program that supervisor.conf has gained; nothing else of that file is taken in."""
        self._call("supervisor.reloadConfig")
        self._add(program)

    def reread(self) -> None:
        """Have the dispatcher read config.yaml again; one that does not run will read it when it starts."""
        try:
            self._call("supervisor.signalProcess", "dispatcher", "HUP")
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in (Faults.NOT_RUNNING, Faults.BAD_NAME):
                raise

    def shutdown(self) -> None:
        self._call("supervisor.shutdown")

    def _add(self, program: str) -> None:
        try:
            self._call("supervisor.addProcessGroup", program)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Faults.ALREADY_ADDED:  # by another one who asked at the same time
                raise

    def _call(self, method: str, *arguments: Any) -> Any:
        """One connection a call: supervisord may be gone and back between two."""
        try:
            return getattr(self._rpc, method)(*arguments)
        except (OSError, HTTPException, xmlrpc.client.ProtocolError) as error:
            raise NotRunning(str(error)) from None
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise ShuttingDown("supervisord is ending") from None
            raise
        finally:
            if self._transport.connection is not None:
                self._transport.connection.close()
                self._transport.connection = None
