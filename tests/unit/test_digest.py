"""HTTP Digest: the examples of RFC 7616 and RFC 2069's, and the driver against a server that another hand wrote."""

import hashlib
import re
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from drivers import digest
from drivers.digest import Digest, challenges
from drivers.web import Http, HttpOptions
from effectd.base.errors import DeviceFailed
from effectd.config.address import Address

# RFC 7616, 3.9.1
REALM = 'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
OPAQUE = 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
MD5, SHA = (f"Digest {REALM}, algorithm={name}, {OPAQUE}" for name in ("MD5", "SHA-256"))
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def fields(answer: str) -> dict[str, str]:
    ((scheme, found),) = challenges(answer)
    assert scheme == "digest"
    return found


@pytest.mark.parametrize(
    ("headers", "response"),
    [
        ([MD5], "8ca523f5e9506fed4657c9700eebdbec"),
        ([SHA], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ([MD5, SHA], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ([f"Basic realm=x, {MD5}"], "8ca523f5e9506fed4657c9700eebdbec"),
    ],
    ids=["MD5", "SHA-256", "the stronger of two", "beside Basic in one header"],
)
def test_the_answer_is_that_of_the_rfc(monkeypatch, headers, response):
    monkeypatch.setattr(digest.secrets, "token_hex", lambda _bytes: CNONCE)
    user = Digest("Mufasa", "Circle of Life")
    assert user.take(headers)
    told = fields(user.answer("GET", "/dir/index.html"))
    assert told["response"] == response
    assert (told["nc"], told["qop"], told["cnonce"]) == ("00000001", "auth", CNONCE)
    assert told["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    assert fields(user.answer("GET", "/dir/index.html"))["nc"] == "00000002"


def test_a_server_of_the_first_rfc_gets_an_answer_without_counters():
    user = Digest("a", "b")
    assert user.take(['Digest realm="r", nonce="n"'])
    told = fields(user.answer("GET", "/"))
    assert "nc" not in told
    a1, a2 = (hashlib.md5(text).hexdigest() for text in (b"a:r:b", b"GET:/"))
    assert told["response"] == hashlib.md5(f"{a1}:n:{a2}".encode()).hexdigest()


@pytest.mark.parametrize(
    "header", ["", "Basic realm=x", "Digest", 'Digest realm="r"', 'Digest realm="r", nonce="n", algorithm=SHA-512-256']
)
def test_what_cannot_be_answered_is_not(header):
    assert not Digest("a", "b").take([header])


def test_a_quoted_comma_and_a_quoted_quote_are_parts_of_their_value():
    assert challenges(r'Digest realm="a, \"b\" c=d", nonce=n') == [("digest", {"realm": 'a, "b" c=d', "nonce": "n"})]


class Shelly:
    """A device that asks for SHA-256, as written in Shelly's manual; each nonce is good for two requests."""

    def __init__(self, server: HTTPServer) -> None:
        self.nonce, self.used, self.done = 1000, 0, list[str]()
        server.expect_request(re.compile("/.*")).respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        given = request.headers.get("Authorization", "")
        if given.startswith("Digest ") and self.used < 2:
            told = fields(given)
            ha1 = hashlib.sha256("admin:shelly-1:s\xe9same".encode()).hexdigest()
            ha2 = hashlib.sha256(f"{request.method}:{told['uri']}".encode()).hexdigest()
            text = f"{ha1}:{self.nonce}:{told['nc']}:{told['cnonce']}:auth:{ha2}"
            if told["response"] == hashlib.sha256(text.encode()).hexdigest():
                self.used += 1
                self.done.append(told["uri"])
                return Response("{}")
        self.nonce, self.used = self.nonce + 1, 0
        asked = f'Digest qop="auth", realm="shelly-1", nonce="{self.nonce}", algorithm=SHA-256'
        return Response("", 401, {"WWW-Authenticate": asked})


def plug(server: HTTPServer, **options: Any) -> Http:
    url = server.url_for("/rpc/Switch.Set?id=0&on=")
    settings = {"url": f"{url}true", "off_url": f"{url}false", "user": "admin", "password_env": "SHELLY"}
    driver = Http("plug", msgspec.convert(settings | options, HttpOptions), Address(host="127.0.0.1"))
    driver.open()
    return driver


def test_a_shelly_with_a_password_is_driven_and_its_nonce_used_until_it_asks_again(httpserver, monkeypatch):
    monkeypatch.setenv("SHELLY", "s\xe9same")
    device, driver = Shelly(httpserver), plug(httpserver)
    for _ in range(3):
        driver.off()
    assert device.done == ["/rpc/Switch.Set?id=0&on=false"] * 3
    assert len(httpserver.log) == 5  # the first one asks, and the third one asks anew


def test_a_wrong_password_is_asked_for_once_and_told(httpserver, monkeypatch):
    monkeypatch.setenv("SHELLY", "wrong")
    Shelly(httpserver)
    with pytest.raises(DeviceFailed, match="answered 401"):
        plug(httpserver).off()
    assert len(httpserver.log) == 2


@pytest.mark.parametrize(("auth", "first"), [("auto", "Basic"), ("basic", "Basic"), ("digest", "")])
def test_with_digest_alone_the_password_never_leaves_as_it_is(httpserver, monkeypatch, auth, first):
    monkeypatch.setenv("SHELLY", "s\xe9same")
    Shelly(httpserver)
    driver = plug(httpserver, auth=auth)
    if auth == "basic":
        with pytest.raises(DeviceFailed, match="answered 401"):
            driver.off()
    else:
        driver.off()
    given = httpserver.log[0][0].headers.get("Authorization", "")
    assert given.partition(" ")[0] == first
