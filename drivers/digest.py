"""HTTP Digest authentication (RFC 7616) with MD5 and SHA-256, which newer Shelly devices require.

urllib knows MD5 and SHA-1 only, and the libraries that know SHA-256 weigh more than the rest of a driver's process.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable

_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


class Digest:
    """One user at one server: `take` the headers of a 401, `answer` is the header of the next request."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._challenge: dict[str, str] = {}
        self._count = 0

    @property
    def known(self) -> bool:
        """Whether the server has asked for it."""
        return bool(self._challenge)

    def take(self, headers: Iterable[str]) -> bool:
        """Take the values of WWW-Authenticate; True if one can be answered. Of several the strongest is used."""
        found = [fields for header in headers for scheme, fields in challenges(header) if scheme == "digest"]
        for name in _HASHES:
            for fields in found:
                if fields.get("algorithm", "MD5").upper().removesuffix("-SESS") == name and fields.get("nonce"):
                    self._challenge, self._count = fields, 0
                    return True
        return False

    def answer(self, method: str, target: str) -> str:
        """The value of Authorization for one request; `target` is its path with the query."""
        asked = self._challenge
        algorithm = asked.get("algorithm", "MD5")
        hash_ = _HASHES[algorithm.upper().removesuffix("-SESS")]

        def of(*parts: str) -> str:
            return hash_(":".join(parts).encode()).hexdigest()

        realm, nonce = asked.get("realm", ""), asked["nonce"]
        self._count += 1
        count, own = f"{self._count:08x}", secrets.token_hex(8)
        secret = of(self._user, realm, self._password)
        if algorithm.upper().endswith("-SESS"):
            secret = of(secret, nonce, own)
        with_qop = "auth" in re.split(r"[,\s]+", asked.get("qop", ""))
        middle = (nonce, count, own, "auth") if with_qop else (nonce,)
        user = of(self._user, realm) if asked.get("userhash", "").lower() == "true" else self._user
        quoted = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
        quoted["response"] = of(secret, *middle, of(method, target))
        bare = {"algorithm": algorithm}
        if with_qop:
            quoted["cnonce"] = own
            bare |= {"qop": "auth", "nc": count}
        if "opaque" in asked:
            quoted["opaque"] = asked["opaque"]
        if "userhash" in asked:
            bare["userhash"] = asked["userhash"]
        fields = [f'{key}="{_quoted(value)}"' for key, value in quoted.items()]
        # http.client writes headers as Latin-1: this way the user's name is sent as UTF-8
        return ("Digest " + ", ".join([*fields, *(f"{k}={v}" for k, v in bare.items())])).encode().decode("latin-1")


def challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """`Basic realm="a", Digest realm="b", nonce="c"` -> each scheme in small letters, with its fields."""
    found = list[tuple[str, dict[str, str]]]()
    pattern = r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([A-Za-z0-9_-]+)(?=\s+[A-Za-z]|\s*(?:,|$))'
    for key, quoted, bare, scheme in re.findall(pattern, header):
        if scheme:
            found.append((scheme.lower(), {}))
        elif found:
            found[-1][1][key.lower()] = bare or re.sub(r"\\(.)", r"\1", quoted)
    return found


def _quoted(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)
