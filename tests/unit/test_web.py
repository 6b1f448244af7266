"""The http driver against a real web server: what it asks, with which credentials, and which answers are a failure."""

import http.client
import os
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from drivers.web import Http, HttpOptions
from effectd.base.errors import DeviceFailed
from effectd.config.address import Address
from effectd.messages.effect import Effect


@pytest.fixture
def opened(httpserver: HTTPServer) -> Callable[..., Http]:
    def opened(path: str = "/on?level=$level", **options: Any) -> Http:
        settings = {"url": httpserver.url_for("") + path, "off_url": httpserver.url_for("/off"), **options}
        driver = Http("plug", msgspec.convert(settings, HttpOptions), Address(host="127.0.0.1"))
        driver.open()
        return driver

    return opened


def light(intensity: float = 60, **parameters: Any) -> Effect:
    return Effect(id="e-1", effect_type="light", intensity=intensity, duration=1000, parameters=parameters)


def test_an_effect_and_its_end_are_one_request_each(httpserver, opened):
    httpserver.expect_ordered_request("/on", "GET", query_string="level=60").respond_with_data("")
    httpserver.expect_ordered_request("/off", "GET").respond_with_json({"ison": False})
    driver = opened()
    driver.apply(light())
    driver.off()
    httpserver.check()
    assert len(httpserver.log) == 2
    sent = httpserver.log[0][0]
    assert "Authorization" not in sent.headers
    assert sent.headers["Host"].endswith(f":{httpserver.port}")


def test_a_json_body_says_what_it_is(httpserver, opened):
    said = {"on": True, "bri": 153}
    httpserver.expect_oneshot_request("/", "POST", json=said).respond_with_data("", 204)
    driver = opened("/", method="POST", body='{"on": true, "bri": $level}', off_body="{}", scale=[0, 255])
    driver.apply(light())
    httpserver.check()
    assert httpserver.log[0][0].headers["Content-Type"] == "application/json"


def test_a_form_and_headers_of_ones_own(httpserver, opened):
    httpserver.expect_oneshot_request("/", "PUT").respond_with_data("")
    form = "application/x-www-form-urlencoded; charset=utf-8"
    headers = {"content-type": form, "X-Room": "4"}
    opened("/", method="PUT", body="text=$param_text&l=$level", headers=headers).apply(light(text="ü & l=100"))
    sent: Request = httpserver.log[0][0]
    assert sent.get_data() == b"text=%C3%BC%20%26%20l%3D100&l=60"
    assert (sent.headers["X-Room"], sent.headers["Content-Type"]) == ("4", form)


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"user": "admin", "password_env": "SECRET"}, "Basic YWRtaW46c8Opc2FtZQ=="),
        ({"user": "admin"}, "Basic YWRtaW46"),
        ({"token_env": "SECRET"}, "Bearer s3same"),
    ],
)
def test_the_secret_comes_from_the_environment(httpserver, opened, monkeypatch, options, header):
    monkeypatch.setitem(os.environ, "SECRET", "s\xe9same" if "user" in options else "s3same")
    httpserver.expect_request("/on").respond_with_data("")
    opened(**options).apply(light())
    assert httpserver.log[0][0].headers["Authorization"] == header


def test_a_secret_that_the_environment_does_not_have_is_told_by_its_name(opened, monkeypatch):
    monkeypatch.delitem(os.environ, "SECRET", raising=False)
    with pytest.raises(DeviceFailed, match="the environment has no SECRET"):
        opened(token_env="SECRET")


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_an_answer_other_than_2xx_is_a_failure_and_is_told(httpserver, opened, status):
    headers = {"Location": httpserver.url_for("/off")}
    httpserver.expect_request("/on").respond_with_data("bad brightness", status, headers)
    with pytest.raises(DeviceFailed, match=f"{httpserver.port} answered {status} .*bad brightness"):
        opened().apply(light())
    assert len(httpserver.log) == 1, "a redirection was followed"


@pytest.mark.parametrize(("status", "good"), [(302, True), (200, False)])
def test_the_allowed_answers_can_be_named(httpserver, opened, status, good):
    httpserver.expect_request("/on").respond_with_data("", status)
    driver = opened(expect=[302, 303])
    if good:
        driver.apply(light())
    else:
        with pytest.raises(DeviceFailed, match="answered 200"):
            driver.apply(light())


def test_a_device_that_does_not_answer_in_time_has_failed(opened):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        driver = opened(off_url=f"http://127.0.0.1:{silent.getsockname()[1]}/off", timeout_ms=50)
        with pytest.raises(TimeoutError):
            driver.off()


def test_a_device_that_is_not_there_has_failed(opened):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        opened(off_url=f"http://127.0.0.1:{port}/off").off()


def test_a_proxy_of_the_environment_is_not_used(httpserver, opened, monkeypatch):
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:1")
    httpserver.expect_request("/on").respond_with_data("")
    opened().apply(light())


def test_https_needs_a_certificate_that_is_trusted(opened, monkeypatch):
    asked = list[str | None]()
    monkeypatch.setattr("ssl.create_default_context", lambda cafile=None: asked.append(cafile))

    class Connection:
        def __init__(self, netloc: str, timeout: float, context: object) -> None:
            assert (netloc, timeout, context) == ("plug", 2, None)

        def request(self, *_: object) -> None:
            raise http.client.BadStatusLine("here we are")

        def close(self) -> None: ...

    monkeypatch.setattr(http.client, "HTTPSConnection", Connection)
    driver = opened(url="https://plug/", cafile="home-ca.pem")
    with pytest.raises(http.client.BadStatusLine):
        driver.apply(light())
    assert asked == ["home-ca.pem"]


def test_a_long_answer_is_not_read_to_its_end(httpserver, opened):
    httpserver.expect_request("/on").respond_with_response(Response(iter([b"x" * 1000] * 100_000)))
    opened().apply(light())
