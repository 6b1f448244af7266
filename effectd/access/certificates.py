"""A private CA and its certificates, made with openssl in `certificates/` of the home; and when one expires."""

import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

FOLDER = "certificates"
CA, CA_KEY, SERVER, SERVER_KEY = "ca.pem", "ca.key", "server.pem", "server.key"
CA_DAYS, DAYS = 3650, 398  # Apple's systems reject server certificates that are valid for longer
SOON_DAYS = 30
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class CannotSign(Exception):
    """openssl is missing or failed; the message is its own."""


def ends(path: Path) -> float:
    """Unix time at which the first certificate of a file expires. Raises OSError, ValueError."""
    text = path.read_text(errors="replace")
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    der = ssl.PEM_cert_to_DER_cert(text[max(begin, 0) : end + len(ssl.PEM_FOOTER)])
    try:  # RFC 5280, 4.1: version (may be missing), serial number, algorithm, issuer, validity
        at = _content(der, _content(der, 0)[0])[0]
        if der[at] == 0xA0:
            at = _content(der, at)[1]
        for _ in range(3):
            at = _content(der, at)[1]
        not_after = _content(der, _content(der, at)[0])[1]
        start, stop = _content(der, not_after)
        when = der[start:stop].decode()
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a certificate") from error
    if der[not_after] == 0x17:  # a UTCTime has two digits of the year
        when = ("20" if when < "5" else "19") + when
    return datetime.strptime(when, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends (X.690, 8.1)."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return start, start + length


def days_left(path: Path) -> float:
    return (ends(path) - time.time()) / 86_400


def warning(path: Path) -> str:
    """The warning about a certificate that expires soon or has expired; "" for any other, and for other files."""
    try:
        days = days_left(path)
    except (OSError, ValueError):
        return ""
    if days > SOON_DAYS:
        return ""
    when = f"ends in {days:.0f} days" if days > 0 else "has expired: clients refuse it"
    return f"the certificate {path.name} {when}; renew it: effectd certificate"


def make_ca(folder: Path, name: str) -> bool:
    """Make the CA if there is none, and return whether it was made: an existing one stays, because clients trust it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if (folder / CA).exists() and (folder / CA_KEY).exists():
        return False
    about = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    with _workshop(folder) as work:
        subject = f"/CN={_word(name)}"
        _openssl(
            work, "req", "-x509", *_KEY, "-days", str(CA_DAYS), "-subj", subject, *about, "-keyout", CA_KEY, "-out", CA
        )
        _move(work, folder, CA_KEY, CA)
    return True


def sign(folder: Path, stem: str, common_name: str, *, names: Sequence[str] = (), days: int = DAYS) -> None:
    """`stem`.pem and `stem`.key: a server's for its `names` (hosts and addresses), or a client's without them."""
    usage = "serverAuth" if names else "clientAuth"
    lines = ["basicConstraints=CA:FALSE", f"extendedKeyUsage={usage}"]
    if names:
        lines.append("subjectAltName=" + ",".join(f"{_sort(name)}:{name}" for name in names))
    with _workshop(folder) as work:
        (work / "about").write_text("\n".join(lines) + "\n")
        subject = f"/CN={_word(common_name)}"
        _openssl(work, "req", *_KEY, "-subj", subject, "-keyout", f"{stem}.key", "-out", "request")
        ca = ("-CA", str(folder / CA), "-CAkey", str(folder / CA_KEY), "-set_serial", f"0x{secrets.token_hex(16)}")
        _openssl(
            work,
            *("x509", "-req", "-in", "request", "-days", str(days), "-extfile", "about", "-out", f"{stem}.pem", *ca),
        )
        _move(work, folder, f"{stem}.key", f"{stem}.pem")


def _word(name: str) -> str:
    return re.sub(r"[/+=,]", "-", name)[:64]


def _sort(name: str) -> str:
    return "IP" if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]*", name) else "DNS"


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A private folder beside the certificates, so that unfinished files are never visible."""
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as name:
        yield Path(name)


def _openssl(work: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise CannotSign("openssl is not installed: sudo apt install openssl")
    done = subprocess.run(
        [program, *arguments],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        umask=0o077,
    )
    if done.returncode:
        raise CannotSign(f"openssl {arguments[0]}: {done.stderr.strip()[-400:]}")


def _move(work: Path, folder: Path, *names: str) -> None:
    """Move both files into place. A server that reads in between finds a mismatch, logs it, and reads again."""
    for name in names:
        (work / name).chmod(0o600 if name.endswith(".key") else 0o644)
        (work / name).replace(folder / name)
