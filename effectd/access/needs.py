"""Which topics a home's programs need to read and write on an external broker, and how to test that; pure.

docs/brokers.md shows the same as a table and as a mosquitto ACL; tests/system/test_acl.py tests that ACL.
"""

from collections.abc import Iterable

from effectd.messages.topics import Topics

# no device, program, hold or timeline has this name, and an empty message on it is ignored by all
UNUSED = "_probe"
# an ACL from before holds and timelines: the home works as before, and reports what is missing
ADDED = ("holds", "timelines")


def tried(topics: Topics) -> dict[str, str]:
    """Topics on which an empty message is sent and awaited -> the filter that is missing where it does not come back.

    `stop-all` is not among them: any message there stops everything.
    """
    of_one = (topics.set(UNUSED), topics.resume(UNUSED), topics.stop(UNUSED), *topics.acted(UNUSED))
    return dict.fromkeys(of_one, topics.below("devices")) | {
        topics.effect(UNUSED): topics.effects,
        topics.receipt(UNUSED): topics.below("receipts"),
        topics.dead_letter(UNUSED): topics.below("dead-letters"),
        topics.hold(UNUSED): topics.every_hold,
        topics.system(UNUSED): topics.below("system"),
        topics.timeline(UNUSED, "state"): topics.below("timelines"),
    }


def listened(topics: Topics) -> tuple[str, ...]:
    """The filters to subscribe to for them."""
    one_by_one = (topic for topic in tried(topics) if topics.split(topic)[0] != "devices")
    return topics.of_device(UNUSED), *one_by_one


def missing(topics: Topics, unheard: Iterable[str]) -> tuple[list[str], list[str]]:
    """The missing filters: those without which no effect comes through, and the others."""
    table, silent = tried(topics), set(unheard)
    found = list(dict.fromkeys(table[topic] for topic in table if topic in silent))
    added = [one for one in found if topics.split(one)[0] in ADDED]
    return [one for one in found if one not in added], added
