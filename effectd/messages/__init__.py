"""The MQTT messages: effects, answers, topics; and their values: locations, colours."""
