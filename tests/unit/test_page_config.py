"""`page:` in config.yaml: where it may be open, that both files agree, and that no device calls it."""

from pathlib import Path

import pytest

from effectd.base.errors import ConfigError
from effectd.cli import page_url
from effectd.config import part, reader
from tests.unit.test_cli_check import CONFIG, PROGRAMS, found, write

USERS = "broker: {users: {anna: {}}}\n"
TLS = "tls: {certfile: server.pem, keyfile: server.key}"


def load(home: Path, text: str) -> reader.Config:
    (home / "config.yaml").write_text(text)
    return reader.load(home)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("page: {host: 0.0.0.0}", "needs users"),
        (USERS + "page: {host: 0.0.0.0}", "without TLS"),
        (USERS + "page: {host: 192.168.1.5, tls: {cafile: ca.pem}}", "without TLS"),
        ("page: {port: 1883}", "1883 is broker.port as well"),
        ("broker: {websocket: {port: 8090}}\npage: {}", "8090 is broker.websocket.port as well"),
        ("page: {host: 'http://localhost'}", "begins with a scheme"),
        ("page: {prot: 80}", "unknown"),
    ],
)
def test_what_could_not_be_meant_is_refused_with_its_line(home, text, why):
    with pytest.raises(ConfigError, match=why) as error:
        load(home, text)
    assert error.value.key.startswith("page")


@pytest.mark.parametrize(
    "text",
    [
        "page: {}",
        USERS + f"page: {{host: 0.0.0.0, {TLS}}}",
        USERS + "page: {host: 0.0.0.0, insecure: true}",
        "broker: {embedded: false, external: {host: b, port: 8090}}\npage: {}",
    ],
)
def test_what_is_meant_is_taken(home, text):
    assert load(home, text).programs[-1:] == ["page"]


def test_a_home_without_it_has_no_such_program(home):
    assert "page" not in load(home, CONFIG).programs
    assert load(home, CONFIG + "page:\n").page is None


def test_both_files_have_to_agree_about_it(home):
    write(home, CONFIG + "page: {}\n")
    assert [line.partition(": ")[2] for line in found(home)] == ["page: no [program:page] in supervisor.conf runs it"]
    write(home, CONFIG + "page: {}\n", programs=(*PROGRAMS, "page"))
    assert found(home) == []
    write(home, programs=(*PROGRAMS, "page"))
    assert [line.partition(": ")[2] for line in found(home)] == [
        "program:page: config.yaml has no `page:`; add `page: {}` there, or remove this section"
    ]


@pytest.mark.parametrize(
    "url", ["http://localhost:8090/api/stop", "http://127.0.0.1:8090/", "http://show.example:8090/x"]
)
def test_a_device_that_would_call_this_homes_own_page_is_refused(home, url):
    lamp = f"  lamp: {{kind: http, effects: [light], options: {{url: '{url}', off_body: 'off'}}}}\neffects:"
    text = CONFIG.replace("\neffects:\n", f"\n{lamp}\n") + "page: {names: [show.example]}\n"
    write(home, text, programs=(*PROGRAMS, "lamp", "page"))
    assert len(found(home)) == 1
    assert "this home's own page" in found(home)[0]
    write(home, text.replace(":8090", ":8091"), programs=(*PROGRAMS, "lamp", "page"))
    assert found(home) == []


def test_another_port_is_a_restart_and_another_device_is_not(home):
    old = load(home, CONFIG + "page: {}\n")
    new = load(home, CONFIG.replace("[wind]", "[wind, fog]") + "  fog:\npage: {port: 8091, names: [show.example]}\n")
    keys = part.differences(part.of(old, "page"), part.of(new, "page"))
    assert "page.port" in keys
    assert "page.names" in keys
    assert any(key.startswith("devices.fan") for key in keys)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("page: {}", "http://127.0.0.1:8090"),
        ("page: {host: '::1', port: 80}", "http://[::1]:80"),
        (USERS + f"page: {{host: 0.0.0.0, {TLS}}}", "https://127.0.0.1:8090"),
        (USERS + "page: {host: show.example, insecure: true}", "http://show.example:8090"),
        ("topic_root: a", ""),
    ],
)
def test_the_url_is_one_that_a_browser_here_can_open(home, text, url):
    assert page_url.of(load(home, text)) == url
