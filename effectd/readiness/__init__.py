"""Readiness: this process's own gate, and a view of other programs' gates."""
