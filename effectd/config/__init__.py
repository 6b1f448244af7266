"""config.yaml: its schema, its only reader, and editing that keeps its comments."""
