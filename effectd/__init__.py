"""What every process of effectd shares: the words, the gate, the link; no process of its own but the command line."""

__version__ = "0.1.0"
CONTRACT = 2
