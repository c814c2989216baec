"""Work in threads: results in order, errors at their turn, nothing begun once the caller has stopped."""

import threading
import time

import pytest

from biotl.errors import ConfigError
from biotl.parallel import AHEAD, in_threads


@pytest.mark.parametrize("threads", [1, 2, 7, None])
def test_results_come_in_the_order_of_the_items(threads):
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    assert list(in_threads(slow_first, range(20), threads)) == [n * n for n in range(20)]


def test_no_items_start_no_thread():
    before = threading.active_count()
    assert list(in_threads(str, [])) == []
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_threads_than_one_are_refused_instead_of_waited_for(threads):
    with pytest.raises(ConfigError, match=f"threads: got {threads}, wanted at least 1"):
        list(in_threads(str, [1], threads))


def test_as_many_run_at_a_time_as_asked_for():
    together = threading.Barrier(3, timeout=10)  # broken, hence an error, unless three meet
    assert len(list(in_threads(lambda _: together.wait(), range(6), 3))) == 6


def test_an_error_is_raised_at_its_turn_and_ends_the_work():
    begun: list[int] = []

    def third_fails(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        if number == 2:
            raise ValueError("the third")
        return number

    threads = threading.active_count()
    results = in_threads(third_fails, range(1000), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(results)
    while threading.active_count() > threads:
        time.sleep(0.01)
    assert len(begun) < 20


def test_who_asks_for_no_more_ends_the_work():
    begun: list[int] = []

    def note(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)

    threads = threading.active_count()
    results = in_threads(note, range(1000), 2)
    next(results)
    results.close()
    while threading.active_count() > threads:
        time.sleep(0.01)
    assert len(begun) < 20


def test_results_do_not_pile_up_before_a_slow_caller():
    begun = []
    found = in_threads(begun.append, range(100), threads=2)
    for turn in range(10):
        next(found)
        time.sleep(0.02)
        assert len(begun) <= turn + 1 + 2 * AHEAD
    assert len([*found]) == 90
