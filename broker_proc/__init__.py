"""The program `broker`: runs the embedded MQTT broker, or monitors an external one."""
