"""A classifier goes to other processes and threads, and its card stays as the file says."""

import concurrent.futures
import copy
import dataclasses
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys

import joblib
import numpy as np
import pytest

import edgesoft
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.classifier import LARGE
from edgesoft.model.read_only import ReadOnly, read_only
from tests.conftest import environment

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def answers(classifier, inputs):
    return classifier(inputs).logits.tobytes()


@pytest.mark.parametrize("options", [{}, {"threads": 2}], ids=["default", "threads"])
def test_a_copy_answers_to_the_bit(model, mnist, options):
    classifier = edgesoft.load(model, **options)
    inputs = mnist.test.inputs[:40]
    for other in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier), copy.copy(classifier)):
        assert other is not classifier
        assert answers(other, inputs) == answers(classifier, inputs)
        assert (other.path.name, other.provider, other.card) == (model.name, "cpu", classifier.card)
        assert other._options == classifier._options


def test_what_travels_is_small_and_found_from_any_folder(model, tmp_path, monkeypatch, mnist):
    monkeypatch.chdir(model.parent)
    classifier = edgesoft.load(model.name)
    monkeypatch.chdir(tmp_path)
    packed = pickle.dumps(classifier)
    assert len(packed) < 1000
    assert answers(pickle.loads(packed), mnist.test.inputs[:2]) == answers(classifier, mnist.test.inputs[:2])


def test_a_file_that_changed_meanwhile_is_refused(exported, tmp_path):
    path = tmp_path / "m.onnx"
    shutil.copy(exported / "mnist.onnx", path)
    packed = pickle.dumps(edgesoft.load(path))
    shutil.copy(exported / "mnist.int8.onnx", path)  # a good file, and another model
    with pytest.raises(
        EdgesoftError, match=r"m.onnx: is no longer the model that was copied or pickled .* edgesoft.load\('"
    ):
        pickle.loads(packed)
    path.unlink()
    with pytest.raises(EdgesoftError, match=r"m.onnx: no such file"):
        pickle.loads(packed)


def test_a_spawned_process_and_joblib_take_it(ready, mnist):
    inputs = mnist.test.inputs[:64]
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(answers, ready, inputs).result(timeout=120) == answers(ready, inputs)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        there = joblib.Parallel(timeout=120)(joblib.delayed(answers)(ready, part) for part in np.split(inputs, 2))
    assert there == [answers(ready, part) for part in np.split(inputs, 2)]


# In a process of its own: one that runs threads must not be forked. The child ends as a program does, taking everything apart.
FORK = """
import os, signal, sys
import numpy as np
import edgesoft
inputs = np.zeros((64, 28, 28), np.uint8)
for threads in (None, 1, 4):
    classifier = edgesoft.load(sys.argv[1], threads=threads)
    before = [classifier(inputs[:count]).logits.tobytes() for count in (1, 64)]
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        sys.exit(0 if [classifier(inputs[:count]).logits.tobytes() for count in (64, 1)] == before[::-1] else 1)
    assert os.waitpid(child, 0)[1] == 0, threads
    assert [classifier(inputs[:count]).logits.tobytes() for count in (1, 64)] == before
print("forked")
"""


@forks
def test_a_forked_process_answers_and_ends(model):
    process = subprocess.run(
        [sys.executable, "-c", FORK, model], capture_output=True, text=True, timeout=120, env=environment()
    )
    assert (process.returncode, process.stdout) == (0, "forked\n"), process.stderr


@forks
def test_after_a_fork_sessions_with_threads_are_not_used_again(model, mnist):
    """The real function that the child runs, called here: the sessions that have threads are others, the lone one stays."""
    inputs = mnist.test.inputs[: 2 * LARGE]
    for threads in (None, 1, 3):
        classifier = edgesoft.load(model, threads=threads)
        before = answers(classifier, inputs)
        small, large = classifier._small, classifier._large
        classifier.after_fork()
        assert answers(classifier, inputs) == before
        has_threads = threads == 3
        assert (classifier._small is small) == (not has_threads)
        assert (classifier._large is large) == (large is small and not has_threads)


def test_sixteen_threads_share_one(model, mnist):
    classifier = edgesoft.load(model)
    parts = [mnist.test.inputs[start : start + 40] for start in range(0, 640, 40)]
    expected = [answers(edgesoft.load(model), part) for part in parts]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda part: answers(classifier, part), parts)) == expected


def test_nothing_in_its_card_can_be_changed(model):
    card = edgesoft.load(model).card
    before = card.to_json()
    with pytest.raises(AttributeError):
        edgesoft.load(model).card = card
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.name = "other"
    for mapping in (
        card.metrics,
        card.metrics["test"],
        card.training.settings,
        card.training.versions,
        card.training.examples,
    ):
        assert mapping
        for change in (
            lambda m: m.__setitem__("x", 1),
            lambda m: m.update(x=1),
            lambda m: m.pop(next(iter(m))),
            lambda m: m.__delitem__(next(iter(m))),
            lambda m: m.__ior__({"x": 1}),
            lambda m: (m.clear(), m.setdefault("x", 1), m.popitem()),
        ):
            with pytest.raises(TypeError, match="cannot be changed"):
                change(mapping)
    assert all(isinstance(width, int) for width in card.training.settings["hidden"])
    with pytest.raises(TypeError):
        card.training.settings["hidden"][0] = 1
    assert card.to_json() == before
    assert type(card).from_json(before, "here") == card == pickle.loads(pickle.dumps(card)) == copy.deepcopy(card)


def test_read_only_json_is_json():
    value = {"a": [1, {"b": [2]}], "c": {}}
    frozen = read_only(value)
    assert isinstance(frozen["a"][1], ReadOnly)
    assert json.loads(json.dumps(frozen)) == value
    assert copy.deepcopy(frozen) == frozen and pickle.loads(pickle.dumps(frozen)) == frozen


@pytest.mark.parametrize("size", [2.5, True, np.True_, "2", None, 0, -1, np.float64(2), float("nan")], ids=repr)
def test_a_batch_size_is_a_whole_number(ready, mnist, size):
    with pytest.raises(UsageError, match="batch_size must be a whole number from 1 to 1,000,000, not "):
        ready.stream(mnist.test.inputs[:4], batch_size=size)  # at once, not when the first answer is asked for
    if size is not None:  # which takes as many as fit into memory
        with pytest.raises(UsageError):
            ready.logits(mnist.test.inputs[:4], batch_size=size)


def test_a_number_of_numpys_is_one(ready, mnist):
    assert len(list(ready.stream(mnist.test.inputs[:4], batch_size=np.int64(2)))) == 2
    with pytest.raises(UsageError, match="threads must be a whole number from 1 to 1,024, not 1.5"):
        edgesoft.load(ready.path, threads=1.5)


@pytest.mark.parametrize(
    "nothing", [np.zeros((0, 28, 28), np.uint8), np.array([]), [], (), iter(())], ids=lambda n: type(n).__name__
)
def test_logits_of_nothing_are_an_error(ready, nothing):
    with pytest.raises(
        EdgesoftError, match=r"expected uint8 \[28, 28\] or \[n, 28, 28\] with n >= 1, got no input at all"
    ):
        ready.logits(nothing)


@pytest.mark.parametrize("what", ["digit.png", None, 7], ids=lambda what: type(what).__name__)
def test_what_is_no_array_is_named(ready, what):
    with pytest.raises(EdgesoftError, match=f"expected uint8 .*, got {type(what).__name__}, no array"):
        ready(what)


def test_a_memory_map_is_an_array(ready, mnist, tmp_path):
    np.save(tmp_path / "x.npy", mnist.test.inputs[:20])
    assert answers(ready, np.load(tmp_path / "x.npy", mmap_mode="r")) == answers(ready, mnist.test.inputs[:20])


@pytest.mark.parametrize("wrong", [None, 0, 3.5, ["cpu"], b"cpu"], ids=repr)
def test_what_is_no_path_no_provider_and_no_stream(exported, wrong):
    with pytest.raises(UsageError, match="expected the path of a model file"):
        edgesoft.load(wrong)
    with pytest.raises(UsageError, match="expected a name, such as cpu"):
        edgesoft.load(exported / "mnist.int8.onnx", provider=wrong)
    if not hasattr(wrong, "__iter__"):
        with pytest.raises(UsageError, match="expected an array, or arrays one after the other"):
            edgesoft.load(exported / "mnist.int8.onnx").stream(wrong)
