"""What everything stands on and what knows nothing of effects: errors, the loop, logs, locks, journals."""
