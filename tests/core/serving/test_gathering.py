"""Inputs that come together are worked on together, and nobody waits in vain."""

import asyncio
import threading
import time

import pytest

from knnrouter.serving import Gathering


class Work:
    """Doubles numbers; waits in its first batch until it is told to go on."""

    def __init__(self):
        self.batches, self.threads, self.go = [], set(), threading.Event()

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        self.threads.add(threading.get_ident())
        self.go.wait(10)
        return [2 * number for number in numbers]


async def _started(gathering, work, numbers):
    """Tasks for the numbers, the first of which is being worked on alone."""
    first = asyncio.create_task(gathering.of(numbers[0]))
    while not work.batches:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(gathering.of(number)) for number in numbers[1:]]
    await asyncio.sleep(0.01)
    return [first, *others]


async def test_what_comes_meanwhile_is_done_next_together():
    work = Work()
    tasks = await _started(Gathering(work), work, [1, 2, 3, 4])
    work.go.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3, 4]]
    assert threading.get_ident() not in work.threads


async def test_no_more_than_the_most_are_done_together():
    work = Work()
    tasks = await _started(Gathering(work, most=2), work, [1, 2, 3, 4])
    work.go.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3], [4]]


async def test_it_works_again_after_it_was_idle():
    gathering = Gathering(lambda numbers: [2 * number for number in numbers])
    assert [await gathering.of(number) for number in (1, 2)] == [2, 4]


async def test_who_stopped_waiting_is_left_out():
    work = Work()
    tasks = await _started(Gathering(work), work, [1, 2, 3])
    tasks[1].cancel()
    await asyncio.sleep(0)
    work.go.set()
    assert (await tasks[0], await tasks[2]) == (2, 6)
    assert tasks[1].cancelled()
    assert work.batches == [[1], [3]]


async def test_who_stops_waiting_while_it_is_done_disturbs_nobody():
    work = Work()
    tasks = await _started(Gathering(work), work, [1, 2])
    tasks[0].cancel()
    work.go.set()
    assert await tasks[1] == 4
    assert tasks[0].cancelled()


async def test_an_error_reaches_all_who_wait_for_that_work_and_no_other():
    def reciprocal(numbers):
        return [1 / number for number in numbers]

    gathering = Gathering(reciprocal)
    with pytest.raises(ZeroDivisionError):
        await gathering.of(0)
    assert await gathering.of(4) == 0.25


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
def test_no_error_of_the_work_stops_it_for_good(kind):
    def work(numbers):
        if 0 in numbers:
            raise kind
        return numbers

    gathering = Gathering(work)
    with pytest.raises(kind):
        asyncio.run(asyncio.wait_for(gathering.of(0), 5))
    assert asyncio.run(asyncio.wait_for(gathering.of(4), 5)) == 4


async def test_too_few_results_are_an_error_of_the_work():
    gathering = Gathering(lambda numbers: [])
    for _ in range(2):
        with pytest.raises(ValueError, match="shorter"):
            await asyncio.wait_for(gathering.of(7), 5)


def test_an_event_loop_that_has_its_answer_ends_while_others_still_ask():
    work, ended = Work(), threading.Event()

    def slow(numbers):
        time.sleep(0.005)
        return work(numbers)

    gathering = Gathering(slow, most=2)  # so that somebody always waits

    def first():
        asyncio.run(gathering.of(1))
        ended.set()

    async def others():
        async def ask():
            while not ended.is_set() and len(work.batches) < 200:
                await gathering.of(2)

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        await asyncio.sleep(0.01)
        work.go.set()
        await asyncio.gather(*asking)

    thread = threading.Thread(target=first)
    thread.start()
    while not work.batches:
        time.sleep(0.001)
    asyncio.run(others())
    thread.join(10)
    assert len(work.batches) < 200


def test_event_loops_may_share_one():
    gathering = Gathering(lambda numbers: [2 * number for number in numbers])

    async def ask():
        return await asyncio.gather(*(gathering.of(number) for number in range(50)))

    found = {}
    threads = [
        threading.Thread(target=lambda place=place: found.update({place: asyncio.run(ask())}))
        for place in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert list(found.values()) == [[2 * number for number in range(50)]] * 4
