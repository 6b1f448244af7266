"""Lists the changed keys of config.yaml that are not in force yet, one line per program."""

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
