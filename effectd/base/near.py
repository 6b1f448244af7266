"""Suggests the known word that was probably meant."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean port?` to end a sentence with, or "" where nothing known is near."""
    from difflib import get_close_matches  # imported only after a mistake

    by_lower = {each.lower(): each for each in list(known)[:200]}
    found = get_close_matches(word[:64].lower(), by_lower, 1)
    return f"; did you mean {by_lower[found[0]]}?" if found else ""
