"""What every program of a home is made of: its process, its connection to the broker, its brake, its guard."""
