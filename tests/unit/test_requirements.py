"""The lock files hold what pyproject.toml asks for, each version with its hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
RUN = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"], *EXTRAS["serial"], *EXTRAS["gpio"]]


def locked(kind: str) -> dict[str, str]:
    """Package -> version; each must have hashes."""
    text = (REPOSITORY / "requirements" / f"{kind}.lock").read_text()
    entries = re.findall(r"^([a-z0-9-]+)==(\S+) ;.*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^#\s]", text, re.MULTILINE)), "a line that is no version with its hashes"
    return {name: version for name, version, _ in entries}


@pytest.mark.parametrize(("kind", "asked"), [("run", RUN), ("dev", RUN + EXTRAS["dev"])])
def test_a_lock_has_a_version_of_everything_that_is_asked_for(kind, asked):
    versions = locked(kind)
    wanted = [Requirement(each) for each in asked]
    outside = [str(each) for each in wanted if versions.get(canonicalize_name(each.name), "none") not in each.specifier]
    assert outside == [], "run scripts/lock"


def test_what_runs_has_the_same_versions_with_and_without_the_tools():
    assert locked("run").items() <= locked("dev").items()
