"""What stands in config.yaml and is not in force yet: a line a program that runs by something else."""

from effectd.config import part
from effectd.config.reader import Config
from effectd.readiness import glance


def lines(tree: Config) -> list[str]:
    """Such as `wind: not in force yet: limits.max_on_ms (effectd up)`; nothing of programs that do not run."""
    found = []
    for name in tree.programs:
        old = glance.part(tree.home / "run", name)
        keys = part.differences(old, part.of(tree, name)) if old else []
        if keys:
            found.append(f"{name}: not in force yet: {', '.join(keys)} (effectd up)")
    return found
