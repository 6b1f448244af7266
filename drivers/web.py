"""Devices that are controlled by HTTP requests: Shelly, Tasmota, WLED, plugs and diffusers.

An effect is done when the device has answered with an allowed status. Redirections are not followed and no proxy is
used: the device is in this room.
"""

import base64
import http.client
import os
import re
import ssl
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, field

from drivers.digest import Digest
from drivers.template import CONSTANT, Quote, Scale, Template, in_url, values
from effectd.base.errors import DeviceFailed, in_words
from effectd.config.address import Address
from effectd.driver import Driver, Effect, Options

FORM = "application/x-www-form-urlencoded"

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class HttpOptions(Options):
    url: str
    method: Method = "GET"
    body: str = ""
    off_url: str | None = None  # None: as `url`
    off_method: Method | None = None  # None: as `method`
    off_body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    scale: Scale = (0, 100)  # the device's numbers for 0 and 100 %
    user: str | None = None  # the password is in the environment variable `password_env`
    auth: Literal["auto", "basic", "digest"] = "auto"  # auto: Basic, and Digest once the device asks for it
    password_env: str | None = None
    token_env: str | None = None  # Bearer; the environment variable that has the token
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 2000
    expect: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = ()  # (): any 2xx
    cafile: str | None = None  # https: the CA of the device's certificate; None: the system's CAs

    def __post_init__(self) -> None:
        if self.off_url is None and self.off_method is None and not self.off_body:
            raise ValueError("off_url, off_body or off_method: say what switches it off")
        for name, text in self.headers.items():
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not text.isascii() or not text.isprintable():
                raise ValueError(f"headers: {name}: letters, digits and - as name, ASCII on one line as value")
        if self.token_env and self.user:
            raise ValueError("user or token_env: give one of them")


class Http(Driver):
    uses_out = True
    options: HttpOptions

    def __init__(self, device: str, options: HttpOptions, broker: Address) -> None:
        super().__init__(device, options, broker)
        types = [text for name, text in options.headers.items() if name.lower() == "content-type"]
        as_form: Quote | None = in_url if types and types[0].startswith(FORM) else None
        self._url, self._body = Template(checked(options.url), quote=in_url), Template(options.body, quote=as_form)
        known = {"device": device}
        self._off_url = Template(checked(options.off_url or options.url), names=CONSTANT, quote=in_url).fill(known)
        self._off_body = Template(options.off_body, names=CONSTANT, quote=as_form).fill(known)
        self._tls: ssl.SSLContext | None = None
        self._digest: Digest | None = None
        self._headers = {"User-Agent": "effectd", "Connection": "close"}
        if not types and options.body.lstrip()[:1] in ("{", "["):
            self._headers["Content-Type"] = "application/json"
        self._headers |= options.headers

    def understands(self) -> set[str]:
        return self._url.parameters | self._body.parameters

    def open(self) -> None:
        """Nothing is kept open; secrets are read only here, so that a check of the configuration needs none."""
        if self.options.url.startswith("https:"):
            self._tls = ssl.create_default_context(cafile=self.options.cafile)
        if self.options.token_env:
            self._headers["Authorization"] = f"Bearer {secret(self.options.token_env)}"
        elif self.options.user is not None:
            password = secret(self.options.password_env) if self.options.password_env else ""
            if self.options.auth != "basic":
                self._digest = Digest(self.options.user, password)
            if self.options.auth != "digest":
                pair = f"{self.options.user}:{password}".encode()
                self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def apply(self, effect: Effect) -> None:
        filled = values(effect, self.device, self.options.scale)
        self._send(self.options.method, self._url.fill(filled), self._body.fill(filled))

    def off(self) -> None:
        self._send(self.options.off_method or self.options.method, self._off_url, self._off_body)

    def _send(self, method: str, url: str, body: str) -> None:
        self.out(f"{method} {url} {body}".rstrip(), lambda: self._request(method, url, body))

    def _request(self, method: str, url: str, body: str) -> None:
        to = urlsplit(url)
        answer, said = self._ask(method, to, body)
        if answer.status == 401 and self._digest and self._digest.take(answer.headers.get_all("WWW-Authenticate", [])):
            answer, said = self._ask(method, to, body)
        if answer.status not in (self.options.expect or range(200, 300)):
            raise DeviceFailed(f"{to.netloc} answered {answer.status} {answer.reason}: {said[:200]!r}")

    def _ask(self, method: str, to: SplitResult, body: str) -> tuple[http.client.HTTPResponse, bytes]:
        timeout_s = self.options.timeout_ms / 1000
        connection = (
            http.client.HTTPSConnection(to.netloc, timeout=timeout_s, context=self._tls)
            if to.scheme == "https"
            else http.client.HTTPConnection(to.netloc, timeout=timeout_s)
        )
        path = (to.path or "/") + (f"?{to.query}" if to.query else "")
        headers = self._headers
        if self._digest is not None and self._digest.known:
            headers = headers | {"Authorization": self._digest.answer(method, path)}
        try:
            connection.request(method, path, body.encode() or None, headers)
            answer = connection.getresponse()
            return answer, answer.read(4096)
        except OSError as error:
            why = f"{to.netloc} does not answer: {in_words(error)}"
            raise type(error)(*(why,) if error.errno is None else (error.errno, why)) from error
        finally:
            connection.close()


def checked(url: str) -> str:
    """Refuse holes in the host: a publisher may fill in the request, but never choose the device."""
    to = urlsplit(url)
    if to.scheme not in ("http", "https") or not to.hostname or re.search(r"[^!-~]", url):
        raise ValueError(f"{url!r}: http://host/... or https://host/..., with %20 for a space")
    if "@" in to.netloc:
        raise ValueError(f"{url!r}: no password here; use user and password_env")
    Template(to.netloc.replace(f":{to.port}", ""), names=CONSTANT)
    return url


def secret(name: str) -> str:
    if name not in os.environ:
        raise DeviceFailed(f"the environment has no {name}")
    return os.environ[name]
