"""The file of passwords: private, whole or not at all, believed only if it is ours; a hash costs the same for all."""

import os
import time
from pathlib import Path

import pytest

from effectd.access import passwords
from effectd.base.errors import ConfigError


def test_what_was_written_is_read_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    assert passwords.read(tmp_path) == {}
    assert passwords.is_private(tmp_path)
    hashes = {"anna": passwords.hashed(b"a"), "fan.esp@home": passwords.hashed(b"b")}
    old = os.umask(0)
    try:
        passwords.write(tmp_path, hashes)
    finally:
        os.umask(old)
    assert passwords.read(tmp_path) == hashes
    assert (tmp_path / passwords.FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [passwords.FILE]
    (tmp_path / passwords.FILE).chmod(0o640)
    assert not passwords.is_private(tmp_path)


def test_the_hash_is_argon2id_of_the_agreed_cost_and_fits_its_password_alone() -> None:
    hashed = passwords.hashed("pässword".encode())
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(hashed, "pässword".encode())
    assert not passwords.verify(hashed, b"password")
    assert not passwords.verify("", b"")
    assert not passwords.verify("$argon2id$broken", b"x")
    assert hashed != passwords.hashed("pässword".encode())


def test_an_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    known = passwords.hashed(b"x")

    def cost(hashed: str) -> float:
        begun = time.thread_time()
        assert not passwords.verify(hashed, b"y")
        return time.thread_time() - begun

    pairs = [(cost(known), cost("")) for _ in range(7)]
    wrong, unknown = (min(each) for each in zip(*pairs, strict=True))
    assert 0.7 < wrong / unknown < 1.4, pairs


@pytest.mark.parametrize(
    ("text", "line"), [("anna", 1), ("# a comment\n\nanna:$argon2id$x\nbert:secret\n", 4), ("anna:$2b$12$x", 1)]
)
def test_a_line_that_is_no_hash_is_told_by_its_number_and_not_by_its_text(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / passwords.FILE).write_text(text)
    with pytest.raises(ConfigError, match=f"passwords:{line}: ") as refused:
        passwords.read(tmp_path)
    assert "secret" not in str(refused.value)


def test_a_link_and_a_folder_are_not_believed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / passwords.FILE).symlink_to("other")
    with pytest.raises(ConfigError, match="a symbolic link"):
        passwords.read(tmp_path)
    (tmp_path / passwords.FILE).unlink()
    (tmp_path / passwords.FILE).mkdir()
    with pytest.raises(ConfigError):
        passwords.read(tmp_path)
