"""What `effectd play` says where the room does not answer."""

from effectd.cli.play import no_answer


def test_a_broker_that_ends_the_connection_at_a_large_document_is_named_with_the_way_round_it() -> None:
    said = no_answer("load", 300_000, "", cut=True)
    assert "the broker closes the connection on a message of 300000 bytes" in said
    assert "a file in the folder timelines" in said


def test_a_broker_that_takes_a_large_document_and_hands_it_to_nobody_is_named() -> None:
    said = no_answer("load", 300_000, "", taken=True)
    assert "the broker has acknowledged the 300000 bytes, but the dispatcher has not received them" in said
    assert "message_size_limit" in said


def test_a_small_one_is_not_blamed_on_its_size() -> None:
    assert no_answer("load", 300, "", taken=True) == "no answer to load; see: effectd health"
    assert no_answer("load", 300, "lost", cut=True) == "no answer to load (lost); see: effectd health"
    assert no_answer("play", 0, "no broker") == "no answer to play (no broker); see: effectd health"
