"""Stops: what waits ends, and what the driver has already it answers itself."""


def test_a_stop_of_one_device_settles_what_it_holds_and_leaves_the_other_alone(room):
    room.accept("e1", "fan")
    room.accept("e2", "lamp")
    room.accept("e3", "fan", "lamp")
    room.delivery.stop("fan")
    assert (room.statuses("e1"), room.statuses("e2"), room.statuses("e3")) == (["stopped"], [], [])
    room.delivery.ready("fan", "g1")
    room.delivery.ready("lamp", "g1")
    assert [(device, effect.id) for device, effect in room.sent] == [("lamp", "e2"), ("lamp", "e3")]
    room.ack("lamp", "e3")
    assert room.statuses("e3") == ["partial"]


def test_a_stop_of_everything_settles_all_that_is_held_and_what_comes_after_it_is_executed(room):
    room.accept("e1", "fan", "lamp")
    room.delivery.stop()
    assert room.statuses("e1") == ["stopped"]
    room.delivery.ready("fan", "g1")
    room.accept("e2")
    assert room.sent_ids() == ["e2"]


def test_what_the_driver_has_already_it_answers_itself_after_a_stop(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.accept("e2")
    room.delivery.stop("fan")
    assert room.told == []
    room.ack("fan", "e1")
    room.ack("fan", "e2", "stopped")
    assert (room.statuses("e1"), room.statuses("e2")) == (["done"], ["stopped"])


def test_what_was_stopped_is_not_sent_again_under_a_new_connection_and_ends_as_stopped(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.delivery.stop()
    room.delivery.not_ready("fan", "fan is waiting: broker is not running")
    room.delivery.ready("fan", "g1")
    room.loop.advance(100)
    assert room.sent_ids() == ["e1"]
    assert room.statuses("e1") == ["accepted", "stopped"]


def test_a_stop_while_the_driver_is_away_settles_what_it_had(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.delivery.not_ready("fan", "fan is not running")
    room.delivery.stop("fan")
    assert room.statuses("e1") == ["stopped"]


def test_a_stop_of_a_device_that_is_not_there_stops_nothing(room):
    room.accept("e1")
    room.delivery.stop("nobody")
    assert room.told == []
