"""What lives inside supervisord (wake, tail) and supervisorctl (health), and how to talk to them (control, survey)."""
