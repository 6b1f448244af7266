"""MQTT.js beyond loopback as `effectd certificate` says: the CA, a user's name and its password, and nothing else."""

import subprocess
from pathlib import Path

from tests.system.home import Home

SCRIPT = """
import { readFileSync } from "node:fs";
import mqtt from "mqtt";
const [url, ca, username, password, topic] = process.argv.slice(2);
const client = mqtt.connect(url, { ca: readFileSync(ca), username, password, reconnectPeriod: 0 });
client.on("error", (error) => { console.log("refused", error.message); process.exit(1); });
client.on("connect", async () => {
  await client.subscribeAsync("receipts/#");
  client.on("message", (where, payload) => { console.log(payload.toString()); client.end(); });
  await client.publishAsync(topic, JSON.stringify({ id: "from-node", intensity: 40, duration: 10 }), { qos: 1 });
});
"""


def test_mqtt_js_sends_an_effect_by_tls_with_a_login(mqtt_js: Path) -> None:
    with Home() as home:
        home.config["broker"] |= {"host": "0.0.0.0"}
        home.write()
        assert home.effectd("user", "add", "anna", input="a password").returncode == 0
        assert home.effectd("certificate").returncode == 0
        home.start()
        home.wait_ready()
        ca, url = str(home.path / "certificates" / "ca.pem"), f"mqtts://localhost:{home.port}"

        def node(password: str) -> str:
            command = ["node", "--input-type=module", "-", url, ca, "anna", password, "effects/wind"]
            done = subprocess.run(
                command, input=SCRIPT, cwd=mqtt_js, capture_output=True, text=True, timeout=60, check=False
            )
            return done.stdout + done.stderr

        assert '"status":"done"' in node("a password").replace(" ", "")
        assert "refused" in node("another")
