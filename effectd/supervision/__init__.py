"""Code inside supervisord (wake, watchdog, upkeep, ...) and supervisorctl (health), and a client of both (control)."""
