"""Which rights are missing at another broker, by what did not come back; and the page names the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.access import needs
from effectd.access.filters import Filters
from effectd.messages.topics import Topics
from tests.system.test_acl import ACL


@pytest.mark.parametrize("root", ["", "hall/left"])
def test_whatever_is_tried_is_heard_and_has_its_right(root):
    topics = Topics(root)
    heard = Filters(needs.listened(topics))
    for topic, right in needs.tried(topics).items():
        assert heard.match(topic)
        assert Filters((right,)).match(topic)
    assert not Filters(needs.tried(topics)).match(topics.stop_all), "that would stop everything"


def test_the_home_in_the_acl_of_the_page_has_all_of_them():
    room = ACL.partition("user room")[2].partition("user ")[0]
    given_ = {line.split()[-1] for line in room.splitlines() if line}
    assert set(needs.tried(Topics()).values()) <= given_


@given(st.sets(st.sampled_from(sorted(needs.tried(Topics())))))
def test_exactly_the_rights_of_what_did_not_come_back_are_named_once(unheard):
    needed, added = needs.missing(Topics(), unheard)
    assert sorted(needed + added) == sorted({needs.tried(Topics())[topic] for topic in unheard})
    assert set(added) <= {"holds/#", "timelines/#"}
    assert not set(needed) & {"holds/#", "timelines/#"}
