"""200 effects and a stop-all back to back on one connection -> off, as a foreign broker hears it.

.venv/bin/python -m benchmarks.fence [--rounds 20]
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import figures
from tests.system.home import Client, Home, wait_for
from tests.system.test_external import Mosquitto
from tests.system.test_promises import storm, with_witness


class Timed(Client):
    """Notes when it hears what."""

    def __init__(self, port: int, topic: str) -> None:
        self.times: list[tuple[float, bytes]] = []
        super().__init__(port, topic)
        self._client.on_message = lambda _c, _d, message: self.times.append((time.monotonic(), message.payload))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    published, passed = list[float](), list[float]()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        mosquitto = Mosquitto(Path(folder))
        mosquitto.start()
        try:
            with Home({"wind": with_witness(mosquitto.port)}) as home:
                home.start_ready()
                client, stops, witness = home.client(), Timed(home.port, "stop-all"), Timed(mosquitto.port, "fan")
                for number in range(rounds):
                    begun = len(witness.times)
                    storm(client, f"r{number}")
                    start = time.monotonic()
                    for effect in range(200):
                        client.receipt(f"r{number}-{effect}", 30)
                    wait_for(lambda: witness.times[-1][1] == b"off", what="off")
                    off = next(at for at, payload in witness.times[begun:] if payload == b"off")
                    published.append((off - start) * 1000)
                    passed.append((off - stops.times[-1][0]) * 1000)
                witness.close()
                stops.close()
        finally:
            mosquitto.kill()
    rows = {
        "publish(stop-all) has returned -> off": figures.spread(published),
        "the broker has passed stop-all on -> off": figures.spread(passed),
    }
    figures.show("Stop after 200 effects (ms)", rows)


if __name__ == "__main__":
    main()
