"""The shared code of all effectd processes: messages, gates, links, configuration; and the command line."""

__version__ = "0.1.0"
CONTRACT = 2
