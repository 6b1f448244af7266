"""Comments, docstrings, texts and docs use the verbs of the trade, not words that read as a translation."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# word -> what an English engineer writes
BETTER = {
    "told": "reported, sent, logged, announced",
    "tell": "report, send, distinguish",
    "tells": "reports, sends, distinguishes",
    "nobody": "no one, no client, no program",
    "whoever": "a client that, anyone who",
    "whomever": "a client that",
    "lacks": "has no, is missing",
    "amiss": "wrong",
    "hears": "receives",
    "believes": "trusts",
    "believed": "trusted",
    "deafen": "stop",
    "torment": "stress-test",
}
POOR = re.compile(rf"\b({'|'.join(BETTER)})\b", re.IGNORECASE)
PRODUCT = ("broker_proc", "buttons_proc", "dispatcher_proc", "drivers", "effectd", "page_proc")
SOURCES = sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def texts(source: str) -> str:
    """The comments and strings of a file; names of code are not its prose."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    return "\n".join(token.string for token in tokens if token.type in kinds)


def prose(page: str) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE))


def poor(text: str) -> dict[str, str]:
    return {word: BETTER[word.lower()] for word in POOR.findall(text)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_the_product_reads_as_a_translation(path):
    assert poor(texts(path.read_text())) == {}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_of_the_docs_reads_as_a_translation(path):
    assert poor(prose(path.read_text())) == {}


def test_names_in_code_are_not_prose_but_comments_and_strings_are():
    source = 'told = file.tell()  # it is reported\ntext = f"nobody {told.real}"  # whoever\n'
    assert set(poor(texts(source))) >= {"nobody", "whoever"}
    assert "tell" not in poor(texts(source))
    assert poor(prose("`nobody` hears\n```\nwhoever\n```\n")) == {"hears": BETTER["hears"]}
