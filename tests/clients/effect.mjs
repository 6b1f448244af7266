// One effect from MQTT.js, in node as in a browser: connect, publish it, and give back its final receipt.

export async function effect(mqtt, url, protocolVersion, id) {
  const client = await mqtt.connectAsync(url, { protocolVersion, reconnectPeriod: 0, connectTimeout: 10000 });
  try {
    const receipt = new Promise((resolve) => {
      client.on("message", (topic, payload, packet) => {
        const found = JSON.parse(payload.toString());
        if (found.status !== "accepted") resolve({ ...found, topic, qos: packet.qos });
      });
    });
    await client.subscribeAsync(`receipts/${id}`, { qos: 1 });
    const properties = protocolVersion === 5 ? { contentType: "application/json", userProperties: { from: "MQTT.js" } } : undefined;
    await client.publishAsync("effects/wind", JSON.stringify({ id, intensity: 40, duration: 50 }), { qos: 1, properties });
    return await receipt;
  } finally {
    await client.endAsync();
  }
}
