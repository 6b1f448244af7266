"""The loop of the light processes: timers in order, files, signals, calls from a thread; and an end that is loud."""

import gc
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from effectd.testing import FakeLoop
from tests.unit.real_loop import RealLoop


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    for end in (left, right):
        end.setblocking(False)
    with left, right:
        yield left, right


@pytest.fixture(params=[RealLoop, FakeLoop])
def any_loop(request: pytest.FixtureRequest) -> Iterator[RealLoop | FakeLoop]:
    loop = request.param()
    yield loop
    if isinstance(loop, RealLoop):
        loop.close()


def spend(loop: RealLoop | FakeLoop, seconds: float) -> None:
    loop.advance(seconds) if isinstance(loop, FakeLoop) else loop.spend(seconds)


def test_timers_run_in_the_order_of_their_times(any_loop):
    ran: list[str] = []
    any_loop.call_later(0.02, ran.append, "third")
    any_loop.call_later(0.0, ran.append, "first")
    any_loop.call_later(0.01, ran.append, "second")
    spend(any_loop, 0.04)
    assert ran == ["first", "second", "third"]


def test_equal_times_run_in_the_order_in_which_they_were_asked_for(loop, monkeypatch):
    now, ran = loop.time(), list[int]()
    with monkeypatch.context() as frozen:
        frozen.setattr(loop, "time", lambda: now)
        for number in range(20):
            loop.call_later(0.01, ran.append, number)
    loop.until(lambda: len(ran) == 20)
    assert ran == list(range(20))


def test_a_timer_never_runs_before_its_time(any_loop):
    ran = list[float]()
    asked = any_loop.time()
    any_loop.call_later(0.02, lambda: ran.append(any_loop.time() - asked))
    spend(any_loop, 0.04)
    assert len(ran) == 1
    assert ran[0] >= 0.02 - 1e-9


def test_a_cancelled_timer_does_not_run_even_when_another_of_its_round_cancels_it(any_loop):
    ran = list[str]()
    any_loop.call_later(0.01, ran.append, "cancelled before").cancel()
    later = any_loop.call_later(0.0101, ran.append, "cancelled meanwhile")
    any_loop.call_later(0.01, later.cancel)
    any_loop.call_later(0.02, ran.append, "kept")
    spend(any_loop, 0.04)
    assert ran == ["kept"]


def test_a_cancelled_timer_lets_its_arguments_go_at_once(loop):
    class Effect: ...

    effect = Effect()
    kept = weakref.ref(effect)
    loop.call_later(60, print, effect).cancel()
    del effect
    gc.collect()
    assert kept() is None


def test_cancelled_timers_take_no_space_wherever_they_lie(loop):
    ran = list[int]()
    for number in range(3000):
        if number % 100:
            loop.call_later(60 + number, ran.append, number).cancel()
        else:
            loop.call_later(number / 100_000, ran.append, number)
    assert len(loop._timers) < 600
    loop.until(lambda: len(ran) == 30)
    assert ran == sorted(ran)


def test_what_a_callback_asks_for_runs_as_well(any_loop):
    ran = list[str]()
    any_loop.call_later(0.0, lambda: any_loop.call_later(0.01, any_loop.call_soon, ran.append, "deep"))
    spend(any_loop, 0.03)
    assert ran == ["deep"]


def test_a_call_from_a_thread_wakes_a_loop_that_would_sleep_for_a_minute(loop):
    ran = list[int]()
    loop.call_later(60, ran.append, 0)
    caller = threading.Timer(0.02, loop.call_soon_threadsafe, (lambda: ran.append(threading.get_ident()),))
    began = time.monotonic()
    caller.start()
    while not ran:
        loop.turn()
    caller.join()
    assert ran == [threading.get_ident()]
    assert time.monotonic() - began < 10


def test_many_calls_from_threads_all_run_once(loop):
    ran = list[int]()
    threads = [
        threading.Thread(target=lambda n=n: [loop.call_soon_threadsafe(ran.append, n * 500 + i) for i in range(500)])
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    loop.until(lambda: len(ran) == 1500)
    for thread in threads:
        thread.join()
    assert sorted(ran) == list(range(1500))


def test_a_reader_is_called_when_there_is_something_and_no_more_after_it_is_removed(loop, pair):
    left, right = pair
    read = list[bytes]()
    loop.add_reader(left.fileno(), lambda tag: read.append(tag + left.recv(10)), b"<")
    right.send(b"one")
    loop.until(lambda: read == [b"<one"])
    loop.remove_reader(left.fileno())
    loop.remove_reader(left.fileno())
    right.send(b"two")
    loop.spend(0.02)
    assert read == [b"<one"]


def test_a_reader_and_a_writer_share_one_descriptor(loop, pair):
    left, right = pair
    happened = list[str]()
    loop.add_reader(left.fileno(), lambda: happened.append(f"read {left.recv(10)!r}"))
    loop.add_writer(left.fileno(), lambda: (happened.append("writable"), loop.remove_writer(left.fileno())))
    loop.until(lambda: "writable" in happened)
    right.send(b"x")
    loop.until(lambda: "read b'x'" in happened)
    assert happened.count("writable") == 1


def test_a_reader_that_another_one_removes_in_the_same_round_is_not_called(loop):
    ran = list[str]()
    pairs = [socket.socketpair() for _ in range(2)]
    (a, a_far), (b, b_far) = pairs

    def first(name: str) -> None:
        ran.append(name)
        loop.remove_reader(a.fileno())
        loop.remove_reader(b.fileno())

    loop.add_reader(a.fileno(), first, "a")
    loop.add_reader(b.fileno(), first, "b")
    a_far.send(b"x")
    b_far.send(b"x")
    loop.spend(0.02)
    assert len(ran) == 1
    for sock in (a, a_far, b, b_far):
        sock.close()


@pytest.fixture
def signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_wakes_the_loop_and_is_handled_in_it(loop, signals):
    ran = list[str]()
    loop.add_signal_handler(signal.SIGUSR1, ran.append, "told")
    loop.call_later(60, ran.append, "a minute later")
    loop.call_soon(lambda: None)
    killer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    killer.start()
    began = time.monotonic()
    while not ran:
        loop.turn()
    killer.join()
    assert ran == ["told"]
    assert time.monotonic() - began < 10


def test_stop_ends_run_forever_and_what_was_queued_before_still_runs(loop):
    ran = list[str]()
    loop.call_later(60, ran.append, "too late")
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: loop.call_soon(ran.append, "queued"))
    loop.run_forever()
    assert ran == ["queued"]


def test_stop_from_a_thread_ends_a_sleeping_loop(loop):
    stopper = threading.Timer(0.02, loop.stop)
    stopper.start()
    loop.run_forever()
    stopper.join()


def test_an_exception_in_a_callback_ends_the_loop_loudly(loop):
    loop.call_later(0.0, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loop.run_forever()


def test_the_fake_loop_moves_only_when_told_and_runs_each_timer_at_its_own_moment():
    loop = FakeLoop(now=100.0)
    ran = list[float]()
    for delay in (0.5, 1.0, 2.5):
        loop.call_later(delay, lambda: ran.append(loop.time()))
    assert loop.time() == 100.0
    loop.advance(2)
    assert ran == [100.5, 101.0]
    assert (loop.time(), loop.waiting) == (102.0, 1)
