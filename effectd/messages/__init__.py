"""What is said over MQTT: effects, answers, topics; and the words in them: places, colours."""
