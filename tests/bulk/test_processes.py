"""The local engine, with real processes."""

import os
import time

import pytest

from edgesoft.bulk.blocks import Sources
from edgesoft.bulk.processes import AHEAD, in_order, in_processes
from edgesoft.bulk.worker import Worker
from edgesoft.errors import EdgesoftError


def name_and_process(worker, block):
    name, source = block.items[0]
    time.sleep(source)
    return name, os.getpid()


def die(worker, block):
    os._exit(7)


def blocks(*seconds):
    return [Sources(((f"{number}", pause),)) for number, pause in enumerate(seconds)]


def test_every_block_is_answered_once_by_several_processes_and_in_order_if_wanted(work):
    taken = []

    def watched():
        for block in blocks(1.0, *[0.0] * 30):
            taken.append(block)
            yield block

    answers = in_order(work, watched(), name_and_process, workers=2)
    first = next(answers)
    assert first[0] == "0"
    assert len(taken) <= 2 * AHEAD + 2  # what is early waits, and not all of it
    found = [first, *answers]
    assert [name for name, _ in found] == [f"{number}" for number in range(31)]
    processes = {process for _, process in found}
    assert len(processes) == 2 and os.getpid() not in processes


def test_no_more_processes_than_blocks(work):
    answers = dict(in_processes(work, enumerate(blocks(0.0)), name_and_process, workers=8))
    assert len(answers) == 1
    assert list(in_processes(work, iter(()), name_and_process, workers=8)) == []


def test_a_process_that_dies_is_an_error_that_says_over_what(work):
    with pytest.raises(EdgesoftError, match=r"worker process has died \(exit code 7\) over the inputs from 0 on"):
        list(in_processes(work, enumerate(blocks(0.0)), die, workers=1))


def test_what_is_wrong_with_the_model_comes_back_as_it_is(work):
    import dataclasses

    with pytest.raises(EdgesoftError, match="cuda|CUDA"):
        list(
            in_processes(dataclasses.replace(work, provider="cuda"), enumerate(blocks(0.0)), Worker.readings, workers=1)
        )
