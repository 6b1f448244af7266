"""What the programs of a home need to read and write at somebody else's broker, and how that is tried out; pure.

docs/brokers.md shows the same as a table and as a mosquitto ACL; tests/system/test_acl.py tries that ACL.
"""

from collections.abc import Iterable

from effectd.messages.topics import ACTED, Topics

# no device, program, hold or timeline is called so, and an empty message on it says nothing to anybody
NOBODY = "_probe"
# an ACL of before there were holds and timelines: the home works as it did, and says what is missing
ADDED = ("holds/#", "timelines/#")


def tried(topics: Topics) -> dict[str, str]:
    """Topics on which an empty message is sent and awaited -> the filter that is missing where it does not come back.

    `stop-all` is not among them: whatever comes there stops everything.
    """
    root = topics.everything.removesuffix("#")
    words = ("set", "resume", "stop", *ACTED)
    found = {f"{root}devices/{NOBODY}/{word}": "devices/#" for word in words}
    found |= {
        topics.effect(NOBODY): "effects/#",
        topics.receipt(NOBODY): "receipts/#",
        topics.dead_letter(NOBODY): "dead-letters/#",
        topics.hold(NOBODY): "holds/#",
        topics.system(NOBODY): "system/#",
        topics.timeline(NOBODY, "state"): "timelines/#",
    }
    return {topic: root + missing for topic, missing in found.items()}


def listened(topics: Topics) -> tuple[str, ...]:
    """The filters by which they are heard."""
    root = topics.everything.removesuffix("#")
    one_by_one = (topic for topic in tried(topics) if not topic.startswith(f"{root}devices/"))
    return f"{root}devices/{NOBODY}/+", *one_by_one


def missing(topics: Topics, unheard: Iterable[str]) -> tuple[list[str], list[str]]:
    """The filters that are missing: those without which no effect comes through, and the others."""
    table = tried(topics)
    found = list(dict.fromkeys(table[topic] for topic in table if topic in set(unheard)))
    root = topics.everything.removesuffix("#")
    added = [one for one in found if one.removeprefix(root) in ADDED]
    return [one for one in found if one not in added], added
