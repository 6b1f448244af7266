"""What docs/http.md and the OpenAPI document say, asked of a real page."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.needs import need
from tests.system.page_home import browser, home

__all__ = ["browser", "home"]  # fixtures


DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "http.md").read_text()
WHERE = "127.0.0.1:8090"
CURL = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
OPENAPI = json.loads((DOCS / "openapi.json").read_text())
OPERATIONS = [(method.upper(), path) for path, found in OPENAPI["paths"].items() for method in found]
EXAMPLES = {"type": "wind", "device": "wind", "program": "nobody", "name": "nobody", "order": "play", "n": "77"}


def test_every_example_with_curl_does_what_it_says(home, browser):
    need("curl", "curl")
    assert len(CURL) > 12
    for line in CURL:
        words = shlex.split(line.replace(WHERE, f"127.0.0.1:{browser.port}"))
        assert words[0] == "curl"
        done = subprocess.run(
            [*words, "-sS", "-w", "\n%{http_code}"], capture_output=True, text=True, timeout=60, check=False
        )
        text, _, code = done.stdout.rpartition("\n")
        assert (done.returncode, code) == (28 if "--max-time" in words else 0, "200"), line + done.stdout + done.stderr
        assert text, line
        home.wait_ready()


def test_every_line_for_another_tool_asks_what_the_page_answers(browser):
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["rest_command"]["effectd_gust"]
    lines = {kind: re.search(rf"```{kind}\n(.*?)```", PAGE, re.S)[1] for kind in ("js", "python", "csharp")}
    asked = [(said["url"], said["payload"], said["content_type"])]
    for line in lines.values():
        body = re.search(r"""\{\\?"intensity\\?": 60\}""", line)[0].replace("\\", "")
        asked.append((re.search("http://[^\"']*", line)[0], body, re.search("application/json", line)[0]))
    assert len(asked) == 4
    for url, body, kind in asked:
        assert url.startswith(f"http://{WHERE}/")
        status, receipt = browser.post(url.partition(WHERE)[2], body, Content_Type=kind)
        assert (status, receipt["status"]) == (200, "done")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_path_of_the_document_answers_as_it_says(browser, method, path):
    documented = OPENAPI["paths"][path][method.lower()]["responses"]
    asked = re.sub(r"\{(\w+)\}", lambda found: EXAMPLES[found[1]], path)
    if "text/event-stream" in documented["200"]["content"]:
        with browser.stream(asked) as listening:
            assert listening.answer.status == 200
        return
    status, headers, said = browser.ask(method, asked)
    assert str(status) in documented
    kind = headers["content-type"].partition(";")[0]
    assert kind in documented[str(status)]["content"]
    if status != 200 and kind == "application/json":
        assert said["status"] == "refused"
        assert "there is no " + method not in said["reason"]  # the router knows it


def test_the_page_serves_the_document(browser):
    assert browser.get("/api/openapi.json") == (200, OPENAPI)
