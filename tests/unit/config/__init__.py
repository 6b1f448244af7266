"""config.yaml: what is right, and where and how what is wrong is told."""
