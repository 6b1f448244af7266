"""Which rights a home lacks at somebody else's broker, by what did not come back; pure.

docs/brokers.md shows what each program needs, and the same as a mosquitto ACL; tests/system/test_acl.py tries that ACL.
"""

from collections.abc import Iterable

from effectd.messages.topics import Topics


def missing(topics: Topics, unheard: Iterable[str]) -> tuple[list[str], list[str]]:
    """The filters that are missing, of `tried`: those without which no effect comes through, and the others."""
    table = topics.tried()
    found = list(dict.fromkeys(table[topic] for topic in table if topic in set(unheard)))
    later = [one for one in found if one in topics.later()]
    return [one for one in found if one not in later], later
