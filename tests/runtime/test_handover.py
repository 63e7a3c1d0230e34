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


def test_a_get_gives_up_after_its_time() -> None:
    queue: Handover[int] = Handover(1)
    with pytest.raises(TimeoutError):
        queue.get(0.01)
    queue.put(1)
    assert queue.get(0.0) == 1
    queue.close()
    assert queue.get(0.0) is None
