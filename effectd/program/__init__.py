"""What every program of a home shares: its process, its broker connection, the crash brake, the supervisord guard."""
