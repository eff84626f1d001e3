"""The queue in front of a model, in an event loop of its own: both ways to call, and what happens when a call fails or nobody waits."""

import asyncio
import threading

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.serving.batching import Batcher, rows_in_short
from edgesoft.serving.deadlines import Deadlines
from edgesoft.serving.refusal import Refusal


@pytest.fixture(params=[16, 0], ids=["in the loop", "in a thread"])
def quick_rows(request):
    return request.param


def batcher(classifier, sizes, quick_rows, **limits):
    limits = {"most_rows": 16, "most_waiting": 64} | limits
    return Batcher(
        classifier, quick_rows=quick_rows, on_batch=lambda answers: sizes.append(len(answers.labels)), **limits
    )


def test_each_gets_its_own_answer_and_calls_are_shared(ready, mnist, quick_rows):
    inputs, sizes = mnist.test.inputs[:40], []

    async def ask():
        queue = batcher(ready, sizes, quick_rows)
        parts = np.split(inputs, np.cumsum([1, 2, 3] * 6))
        return await asyncio.gather(*(queue.submit(part) for part in parts if len(part)))

    found = asyncio.run(ask())
    np.testing.assert_array_equal(np.concatenate([each.logits for each in found]), ready(inputs).logits)
    assert sum(sizes) == 40
    assert max(sizes) <= 16
    assert len(sizes) <= 5
    assert [len(each.labels) for each in found][:4] == [1, 2, 3, 1]


def test_a_request_beyond_the_limit_is_refused_and_the_others_are_not(ready, mnist, quick_rows):
    async def ask():
        queue = batcher(ready, [], quick_rows, most_waiting=20)
        first = [queue.submit(mnist.test.inputs[:10]) for _ in range(2)]
        assert queue.waiting == 20
        with pytest.raises(Refusal, match="20 inputs are waiting already") as caught:
            queue.submit(mnist.test.inputs[:1])
        assert (caught.value.status, dict(caught.value.headers)["retry-after"]) == (429, "1")
        await asyncio.gather(*first)
        assert queue.waiting == 0
        await queue.submit(mnist.test.inputs[:1])

    asyncio.run(ask())


def test_a_call_that_fails_is_told_to_all_who_asked_and_the_next_one_is_made(ready, mnist, quick_rows):
    def failing(rows):
        if rows.min() < 255:
            return ready(rows)
        raise EdgesoftError("it fails")

    async def ask():
        queue = batcher(failing, [], quick_rows)
        white = np.full((1, 28, 28), 255, np.uint8)
        failed = await asyncio.gather(queue.submit(white), queue.submit(white), return_exceptions=True)
        assert [str(error) for error in failed] == ["it fails"] * 2
        assert (await queue.submit(mnist.test.inputs[:1])).labels == ("7",)

    asyncio.run(ask())


def test_who_has_gone_costs_no_call(ready, mnist, quick_rows):
    sizes = []

    async def ask():
        queue = batcher(ready, sizes, quick_rows)
        gone, stays = queue.submit(mnist.test.inputs[:5]), queue.submit(mnist.test.inputs[:2])
        gone.cancel()
        await stays
        last = queue.submit(mnist.test.inputs[:3])
        last.cancel()
        await asyncio.sleep(0)
        await queue.submit(mnist.test.inputs[:1])

    asyncio.run(ask())
    assert sizes == [2, 1]


def test_while_a_call_runs_in_a_thread_the_loop_goes_on_and_gathers(ready, mnist):
    may_end, sizes = threading.Event(), []

    def slow(rows):
        may_end.wait(30)
        return ready(rows)

    async def ask():
        queue = batcher(slow, sizes, 0)
        first = queue.submit(mnist.test.inputs[:1])
        await asyncio.sleep(0.01)  # its call runs, and this loop too
        others = [queue.submit(mnist.test.inputs[place : place + 1]) for place in range(1, 8)]
        may_end.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert sizes == [1, 7]


def test_how_many_inputs_are_few_is_measured(ready):
    assert rows_in_short(ready, (28, 28), "uint8", 4) in (0, 1, 2, 4)

    def slow(rows):
        threading.Event().wait(0.003)

    assert rows_in_short(slow, (28, 28), "uint8", 4) == 0


def test_time_that_is_over_ends_a_request_as_what_it_was_waiting_for():
    async def run(is_read):
        deadlines = Deadlines(0.05)

        async def request():
            clock = deadlines.start()
            if is_read:
                clock.read()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                return clock.refusal().status
            finally:
                clock.stop()

        return await asyncio.gather(request(), request())

    assert asyncio.run(run(is_read=False)) == [408, 408]
    assert asyncio.run(run(is_read=True)) == [503, 503]
