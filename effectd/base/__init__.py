"""The base layer, which knows nothing about effects: errors, the loop, logs, locks, journals."""
