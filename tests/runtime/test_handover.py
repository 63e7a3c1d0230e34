from __future__ import annotations

import threading

import pytest

from roadseg.runtime.handover import Handover


def test_items_come_in_order_and_then_the_end() -> None:
    queue: Handover[int] = Handover(3)
    for item in (1, 2, 3):
        assert queue.put(item) is None
    queue.close()
    assert [queue.get() for _ in range(4)] == [1, 2, 3, None]


def test_newest_only_gives_back_what_it_replaces() -> None:
    queue: Handover[int] = Handover(1, newest_only=True)
    assert [queue.put(item) for item in (1, 2, 3)] == [None, 1, 2]
    assert queue.get() == 3


def test_nothing_is_replaced_once_closed() -> None:
    queue: Handover[int] = Handover(1, newest_only=True)
    queue.put(1)
    queue.close()
    assert queue.put(2) == 2
    assert queue.drain() == [1]


def test_a_full_queue_waits_for_room() -> None:
    queue: Handover[int] = Handover(1)
    queue.put(1)
    done = threading.Event()

    def put() -> None:
        queue.put(2)
        done.set()

    thread = threading.Thread(target=put)
    thread.start()
    assert not done.wait(0.05)
    assert queue.get() == 1
    thread.join()
    assert queue.get() == 2


def test_closing_gives_a_waiting_item_back() -> None:
    queue: Handover[int] = Handover(1)
    queue.put(1)
    returned: list[int | None] = []
    thread = threading.Thread(target=lambda: returned.append(queue.put(2)))
    thread.start()
    assert queue.drain() == [1]
    thread.join()
    assert returned == [2]
    assert queue.get() is None


def test_an_interrupt_comes_behind_what_is_there() -> None:
    handover: Handover[int] = Handover(2)
    handover.put(1)
    handover.interrupt()
    assert [handover.get(), handover.get()] == [1, None]


def test_a_get_gives_up_after_its_time() -> None:
    queue: Handover[int] = Handover(1)
    with pytest.raises(TimeoutError):
        queue.get(0.01)
    queue.put(1)
    assert queue.get(0.0) == 1
    queue.close()
    assert queue.get(0.0) is None


@pytest.mark.parametrize("newest_only", [False, True])
@pytest.mark.parametrize("close_after", range(1, 200, 11))
def test_every_item_ends_in_one_place(newest_only: bool, close_after: int) -> None:
    queue: Handover[int] = Handover(2, newest_only)
    returned: list[int | None] = []
    got: list[int] = []

    def put(items: range) -> None:
        returned.extend([queue.put(item) for item in items])

    def get() -> None:
        while (item := queue.get()) is not None:
            got.append(item)
            if len(got) == close_after:
                queue.close()

    putting = [threading.Thread(target=put, args=(range(first, 200, 2),)) for first in (0, 1)]
    getting = threading.Thread(target=get)
    for thread in (*putting, getting):
        thread.start()
    for thread in putting:
        thread.join(10)
    queue.close()
    getting.join(10)
    left = queue.drain()
    assert sorted([*got, *left, *(item for item in returned if item is not None)]) == [*range(200)]
