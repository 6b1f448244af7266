"""config.yaml: what may stand in it, the only reader of it, and how it is edited with its comments kept."""
