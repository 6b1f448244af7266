"""Which folder is a home."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from effectd.base.errors import ConfigError
from effectd.config import reader


def test_a_home_is_the_given_folder_else_the_environments_else_the_current_one(home, monkeypatch):
    given, named, here = (home / name for name in "abc")
    for folder in (given, named, here):
        folder.mkdir()
        (folder / "config.yaml").touch()
    monkeypatch.chdir(here)
    monkeypatch.setenv("EFFECTD_HOME", str(named))
    assert reader.find_home(given) == given
    assert reader.find_home(None) == named
    monkeypatch.delenv("EFFECTD_HOME")
    assert reader.find_home(None) == here


def test_a_home_is_found_from_a_folder_within_it_and_a_lone_config_yaml_further_up_is_none(home, monkeypatch):
    monkeypatch.delenv("EFFECTD_HOME", raising=False)
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    (home / "config.yaml").touch()
    with pytest.raises(ConfigError, match="no home here"):
        reader.find_home(None)
    (home / "supervisor.conf").touch()
    assert reader.find_home(None) == home
    (home / "a" / "config.yaml").touch()
    (home / "a" / "supervisor.conf").touch()
    assert reader.find_home(None) == home / "a"


def test_a_folder_without_config_yaml_is_no_home(home):
    with pytest.raises(ConfigError, match="no home here"):
        reader.find_home(home)


def test_a_home_whose_path_is_too_long_for_a_socket_is_refused_with_the_number_of_bytes(home):
    longest = reader.SUN_PATH - len(f"{home}//run/{'x' * 32}.gate.new")
    for length, fits in ((longest, True), (longest + 1, False)):
        folder = home / ("h" * length)
        folder.mkdir()
        (folder / "config.yaml").touch()
        if fits:
            assert reader.find_home(folder) == folder
        else:
            with pytest.raises(ConfigError, match="too long for a UNIX socket by 1 bytes"):
                reader.find_home(folder)


def test_two_homes_have_different_client_ids_and_one_home_always_the_same(load, home):
    tree = load("")
    other = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        shutil.copy(home / "config.yaml", other)
        assert reader.load(other).client_id("light") != tree.client_id("light") == load("").client_id("light")
        os.symlink(home, other / "link")
        assert reader.load(other / "link").client_id("light") == tree.client_id("light")
        assert tree.client_id("light") != tree.client_id("wind")
    finally:
        shutil.rmtree(other)
