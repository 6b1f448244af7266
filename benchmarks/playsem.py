"""Python_PlaySEM's in-process MQTT server with its mock driver, for comparison, run by a Python that has it installed.

PYTHON benchmarks/playsem.py PORT WITNESS
"""

import asyncio
import logging
import socket
import sys
import time
from typing import Any


async def serve(port: int, witness: str) -> None:
    sys.path.pop(0)  # this folder, whose own name would hide the package
    from playsem import DeviceManager, EffectDispatcher  # type: ignore[import-not-found]
    from playsem.drivers.mock_driver import MockConnectivityDriver  # type: ignore[import-not-found]
    from playsem.protocol_servers.mqtt_server import MQTTServer  # type: ignore[import-not-found]

    logging.disable(logging.CRITICAL)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.connect(witness)

    class Told(MockConnectivityDriver):  # type: ignore[misc]
        async def send_command(self, device_id: str, command: str, params: dict[str, Any] | None = None) -> bool:
            done = await super().send_command(device_id, command, params)
            sock.send(f"{time.monotonic_ns()} {(params or {}).get('tag')}".encode())
            return bool(done)

    driver = Told()
    await driver.connect()
    manager = DeviceManager(connectivity_driver=driver)
    await manager.start_async_workers()
    server = MQTTServer(EffectDispatcher(manager), host="127.0.0.1", port=port)
    server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
