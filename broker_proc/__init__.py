"""The broker process: an MQTT broker inside this machine, or the watch over one outside it."""
