"""Code that runs inside supervisord (wake, watchdog, upkeep, ...) and supervisorctl (health), and their client (control)."""
