"""The page's own files: short, words in one place, nothing from elsewhere, and nothing that the policy forbids."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "page_proc" / "static"
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
PAGES = [path for path in FILES if path.suffix == ".html"]
WORDS = (STATIC / "words.js").read_text()
NAMED = {path.name for path in FILES}


def of(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


def code(path: Path) -> str:
    """The script without its comments."""
    return re.sub(r"(?m)(^|\s)//.*$", "", path.read_text())


def body(path: Path) -> str:
    """The same without its imports."""
    return re.sub(r"(?m)^import .*$", "", code(path))


@of(FILES)
def test_a_file_loads_nothing_from_elsewhere(path: Path) -> None:
    addresses = set(re.findall(r"(?:https?|wss?):?//[^\s\"')]+|@import.*", path.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


@of(SCRIPTS)
def test_a_script_opens_with_its_job_and_is_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert re.match(r"// [A-Z].*[.:]", lines[0])
    assert len(lines) <= 300


@of(SCRIPTS)
def test_a_script_turns_no_text_into_markup_or_code(path: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style\""
    assert re.findall(forbidden, code(path)) == []


@of(SCRIPTS)
def test_every_import_is_a_file_that_is_here(path: Path) -> None:
    assert set(re.findall(r"from \"\./([^\"]+)\"", code(path))) <= NAMED


@of([path for path in SCRIPTS if path.name != "words.js"])
def test_words_for_people_are_in_words_js_alone(path: Path) -> None:
    """What is shown comes from `words`: nowhere else stands a text of two words, or one that ends a sentence."""
    texts = re.findall(r"\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\]|\\.)*)`", code(path))
    told = [one or other for one, other in texts]
    sentences = [text for text in told if re.search(r"[a-z]{3,} [a-z]{2,}.*[a-z]|[A-Z][a-z]+ [a-z]{3,}", text)]
    machine = r"px|rgba|sans-serif|#devices|prefers-|data-|details|translate|no |timeline"
    assert [text for text in sentences if not re.search(machine, text)] == []


@of(SCRIPTS)
def test_every_word_that_is_used_is_there(path: Path) -> None:
    used = set(re.findall(r"\bwords\.([a-z_]+)", body(path)))
    assert [word for word in used if not re.search(rf"(?m)^  {word}\b", WORDS)] == []


@of(PAGES)
def test_a_page_has_no_words_style_or_script_of_its_own(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"<style|style=|\son[a-z]+=|<script>|javascript:", text) == []
    assert set(re.findall(r">\s*([^<>\s][^<>]*)<", text)) <= {"effectd"}
    for word in re.findall(r"data-word=\"([a-z_]+)\"", text):
        assert re.search(rf"(?m)^  {word}:", WORDS), word
    for word in re.findall(r"data-label=\"([a-z_]+)\"", text):
        assert re.search(rf"(?m)^    {word}:", WORDS), word
    assert set(re.findall(r"/static/([^\"]+)\"", text)) <= NAMED


def test_no_word_is_there_that_nobody_says() -> None:
    everything = "".join(path.read_text() for path in [*SCRIPTS, *PAGES] if path.name != "words.js")
    known = re.findall(r"(?m)^  ([a-z_]+):", WORDS)
    used = set(re.findall(r"\bwords\.([a-z_]+)", everything)) | set(re.findall(r"data-word=\"([a-z_]+)\"", everything))
    assert sorted(set(known) - used) == []
    assert len(known) == len(set(known))


def test_every_file_is_used() -> None:
    everything = "".join(path.read_text() for path in FILES if path.suffix in (".js", ".html"))
    assert [name for name in NAMED if not name.endswith(".html") and f"/{name}" not in everything] == []
