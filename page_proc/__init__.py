"""The program `page`: the room in a browser, and HTTP for everything else."""
