"""mosquitto_pub and mosquitto_sub, which every guide to MQTT begins with, move a device and hear of it."""

import json
import select
import subprocess

import pytest

from tests.needs import need

from .conftest import Room


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_an_effect_is_published_and_its_receipt_heard(room: Room, version: str) -> None:
    need("mosquitto_pub", "mosquitto-clients")
    name = f"commands-{version}"
    where = ["-h", "127.0.0.1", "-p", str(room.port), "-V", version]
    fields = json.dumps({"id": name, "intensity": 40, "duration": 50})
    publish = ["mosquitto_pub", *where, "-q", "1", "-t", "effects/wind", "-m", fields]
    listen = ["mosquitto_sub", *where, "-q", "1", "-t", f"receipts/{name}", "-W", "20"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True, bufsize=1) as listening:
        assert listening.stdout is not None
        try:
            while True:  # it does not say when it is subscribed; the same effect again is not executed again
                subprocess.run(publish, check=True)
                if select.select([listening.stdout], [], [], 0.5)[0]:
                    break
            receipts = map(json.loads, iter(listening.stdout.readline, ""))
            assert next(each for each in receipts if each["status"] != "accepted")["status"] == "done"
        finally:
            listening.terminate()
