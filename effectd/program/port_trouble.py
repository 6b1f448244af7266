"""Why a port of ours is not listened on, in words for the gate; for programs on asyncio."""

import asyncio
import errno
import socket
import time

HOLDER_S = 5.0  # how long the answer to "who holds the port" is reused: finding out scans every process


class PortTrouble:
    """Remembers who held each port when it was last asked."""

    def __init__(self) -> None:
        self._holders: dict[int, tuple[float, str]] = {}

    async def why(self, error: OSError, host: str, port: int) -> tuple[str, bool]:
        """What is wrong, by the error of an attempt to listen there; and whether that may pass by itself."""
        if error.errno == errno.EADDRINUSE or "address already in use" in str(error):
            return f"port {port} of {host} is held by {await self._holder(port)}", True
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            return f"the address {host} is not on this machine yet", True
        return f"cannot listen on {host}:{port}: {error.strerror or error}", False

    async def _holder(self, port: int) -> str:
        asked, holder = self._holders.get(port, (-HOLDER_S, ""))
        if time.monotonic() - asked >= HOLDER_S:
            from effectd.program.port import who_holds  # psutil

            holder = await asyncio.get_running_loop().run_in_executor(None, who_holds, port)
            self._holders[port] = time.monotonic(), holder
        return holder
