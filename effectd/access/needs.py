"""What the programs of a home need to read and write at somebody else's broker, and how that is tried out; pure.

docs/brokers.md shows the same as a table and as a mosquitto ACL; tests/system/test_acl.py tries that ACL.
"""

from collections.abc import Iterable

from effectd.messages.topics import Topics

# no device, program, hold or timeline is called so, and an empty message on it says nothing to anybody
NOBODY = "_probe"
# an ACL of before there were holds and timelines: the home works as it did, and says what is missing
ADDED = ("holds", "timelines")


def tried(topics: Topics) -> dict[str, str]:
    """Topics on which an empty message is sent and awaited -> the filter that is missing where it does not come back.

    `stop-all` is not among them: whatever comes there stops everything.
    """
    of_one = (topics.set(NOBODY), topics.resume(NOBODY), topics.stop(NOBODY), *topics.acted(NOBODY))
    return dict.fromkeys(of_one, topics.below("devices")) | {
        topics.effect(NOBODY): topics.effects,
        topics.receipt(NOBODY): topics.below("receipts"),
        topics.dead_letter(NOBODY): topics.below("dead-letters"),
        topics.hold(NOBODY): topics.every_hold,
        topics.system(NOBODY): topics.below("system"),
        topics.timeline(NOBODY, "state"): topics.below("timelines"),
    }


def listened(topics: Topics) -> tuple[str, ...]:
    """The filters by which they are heard."""
    one_by_one = (topic for topic in tried(topics) if topics.split(topic)[0] != "devices")
    return topics.of_device(NOBODY), *one_by_one


def missing(topics: Topics, unheard: Iterable[str]) -> tuple[list[str], list[str]]:
    """The filters that are missing: those without which no effect comes through, and the others."""
    table, silent = tried(topics), set(unheard)
    found = list(dict.fromkeys(table[topic] for topic in table if topic in silent))
    added = [one for one in found if topics.split(one)[0] in ADDED]
    return [one for one in found if one not in added], added
