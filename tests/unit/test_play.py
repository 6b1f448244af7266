"""What `effectd play` says where the room does not answer."""

from effectd.cli.play import no_answer


def test_a_broker_that_may_refuse_the_size_of_a_document_is_named() -> None:
    said = no_answer("load", 300_000, "the connection was lost")
    assert "the connection was lost" in said
    assert "may refuse a message of 300000 bytes" in said


def test_a_small_one_is_not_blamed_on_its_size() -> None:
    assert no_answer("load", 300, "") == "no answer to load; see: effectd health"
    assert no_answer("play", 0, "no broker") == "no answer to play (no broker); see: effectd health"
