"""The benchmark's own arithmetic, with calls whose times are known, and with real models."""

import math
from pathlib import Path

import numpy as np
import pytest

from edgesoft.cli.bench import microseconds, verdict
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference import bench as module
from edgesoft.inference import bench_models, classifier
from edgesoft.inference.bench import Candidate, bench, median_interval
from edgesoft.inference.bench_models import examples_of, model_candidates, open_models
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.memory import measure, own_peak
from edgesoft.inference.providers import Choice

EXPORTED = Path(__file__).resolve().parents[2] / "exported"
EXAMPLES = np.arange(6, dtype=np.uint8).reshape(3, 2)


def idle(name, seen=None):
    """A candidate that does nothing but remember."""

    def call(inputs):
        if seen is not None:
            seen.append(inputs.copy())

    return Candidate(name, lambda: call, EXAMPLES)


class Clock:
    """A clock that only moves when a candidate says so: what comes out is then arithmetic and not weather."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def candidate(self, name, seconds, jitter=lambda: 1.0):
        def call(_):
            self.now += seconds * jitter()

        return Candidate(name, lambda: call, EXAMPLES)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_faster_one_wins_and_the_numbers_are_right(clock):
    (result,) = bench([clock.candidate("slow", 0.004), clock.candidate("quick", 0.001)], [5], rounds=8)
    slow, quick = result.timings
    assert (slow.ratio, slow.ratio_low, slow.ratio_high) == (1, 1, 1)
    assert (quick.ratio, quick.ratio_low, quick.ratio_high) == pytest.approx((0.25, 0.25, 0.25))
    assert (quick.p50, quick.p90, quick.p99, quick.first_call) == pytest.approx((0.001,) * 4)
    assert quick.per_second == pytest.approx(5000)
    assert (slow.calls, quick.calls) == (8, 24)  # a turn lasts 3 ms at least
    assert (result.noise, result.spread) == pytest.approx((0, 0))
    assert result.winner == "quick"
    assert verdict(result) == "fastest: quick; noise 0.0 % (the first against itself), rounds spread by 0 %"


def test_a_difference_within_the_noise_has_no_winner(clock):
    generator = np.random.default_rng(0)
    jitter = lambda: generator.lognormal(sigma=0.3)  # noqa: E731
    (result,) = bench(
        [clock.candidate("one", 0.004, jitter), clock.candidate("other", 0.00398, jitter)], [1], rounds=10
    )
    assert result.winner is None
    assert result.noise > 0.005
    assert verdict(result).startswith("no winner: the fastest are closer than this machine can tell")


def test_equals_are_hardly_ever_told_apart(clock):
    """A hundred benchmarks of two candidates that are the same, on a restless machine."""
    generator = np.random.default_rng(0)
    jitter = lambda: generator.lognormal(sigma=0.2)  # noqa: E731
    pairs = [clock.candidate("one", 0.004, jitter), clock.candidate("other", 0.004, jitter)]
    winners = [bench(pairs, [1], rounds=15)[0].winner for _ in range(100)]
    assert sum(winner is not None for winner in winners) <= 5


def test_a_real_difference_is_found_on_the_same_machine(clock):
    generator = np.random.default_rng(0)
    jitter = lambda: generator.lognormal(sigma=0.2)  # noqa: E731
    pairs = [clock.candidate("slow", 0.004, jitter), clock.candidate("quick", 0.002, jitter)]
    winners = [bench(pairs, [1], rounds=15)[0].winner for _ in range(20)]
    assert winners.count("quick") >= 18


def test_one_candidate_wins_nothing(clock):
    (result,) = bench([clock.candidate("only", 0.0005)], [1], rounds=6)
    assert result.winner is None
    assert verdict(result).startswith("one candidate; noise")


def test_a_batch_is_filled_by_repeating_the_examples_and_settings_are_made_before_each_turn():
    seen, entered = [], []
    plain = idle("a", seen)
    candidate = Candidate(
        plain.name,
        plain.open,
        plain.inputs,
        enter=lambda: entered.append(len(seen)),
        peak_memory=lambda batch: batch * 10,
    )
    (result,) = bench([candidate], [7], rounds=6)
    assert all(np.array_equal(inputs, np.resize(EXAMPLES, (7, 2))) for inputs in seen)
    assert entered[0] == 0
    assert len(entered) >= 3 + 2 * 9  # three openings, and two turns (it and its twin) in nine rounds
    assert result.timings[0].peak_memory == 70


@pytest.mark.parametrize(
    ("candidates", "batches", "rounds", "message"),
    [
        ([], [1], 6, "nothing to measure"),
        ([idle("a")], [], 6, "nothing to measure"),
        ([idle("a")], [0], 6, "nothing to measure"),
        ([idle("a")], [1], 5, "5 rounds are too few"),
    ],
)
def test_what_cannot_be_measured_is_refused(candidates, batches, rounds, message):
    with pytest.raises(UsageError, match=message):
        bench(candidates, batches, rounds=rounds)


def test_the_same_candidate_twice_is_refused():
    with pytest.raises(EdgesoftError, match="two candidates are the same: a, a"):
        bench([idle("a"), idle("a")], [1])


@pytest.mark.parametrize("count", [6, 7, 8, 15, 30, 100])
def test_the_interval_leaves_out_at_most_two_and_a_half_percent_on_each_side(count):
    low, high = median_interval(np.arange(count, dtype=float))
    outside = sum(math.comb(count, rank) for rank in range(int(low) + 1)) / 2**count
    one_more = sum(math.comb(count, rank) for rank in range(int(low) + 2)) / 2**count
    assert outside <= 0.025 < one_more
    assert low + high == count - 1


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    generator = np.random.default_rng(1)
    intervals = [median_interval(generator.lognormal(size=30)) for _ in range(2000)]
    covered = np.mean([low <= 1 <= high for low, high in intervals])
    assert 0.94 <= covered <= 0.99


def test_models_are_measured_for_real():
    models = open_models([EXPORTED])
    assert [model.card.precision for model in models] == ["float32", "int8"]
    assert examples_of(models[0]).shape[1:] == (28, 28)
    candidates = model_candidates(models, [Choice("cpu", "asked for")], [1])
    (result,) = bench(candidates, [64], rounds=6)
    assert [timing.name for timing in result.timings] == ["mnist.onnx, cpu, 1 thread", "mnist.int8.onnx, cpu, 1 thread"]
    for timing in result.timings:
        assert 0 < timing.create < 5
        assert 0 < timing.first_call < 5
        assert timing.peak_memory is None or 20e6 < timing.peak_memory < 150e6


def test_the_memory_is_that_of_the_session_that_is_timed(monkeypatch):
    asked = []
    monkeypatch.setattr(bench_models, "peak_of", lambda _, **arguments: asked.append(arguments))
    (model,) = open_models([EXPORTED / "mnist.onnx"])
    (candidate,) = model_candidates([model], [Choice("cuda", "asked for", device_id=1, tf32=True)], [None])
    candidate.peak_memory(7)
    expected = {"path": str(model.path), "provider": "cuda", "device_id": 1, "tf32": True, "threads": None, "batch": 7}
    assert asked == [expected]


def test_the_session_is_opened_as_it_was_asked_for(monkeypatch):
    """Both the one that is timed and the one whose memory is measured."""
    asked = []

    class Recorder(Classifier):
        def __init__(self, model, provider, **options):
            asked.append((model.path, provider, options))
            super().__init__(model, "cpu")

    monkeypatch.setattr(bench_models, "Classifier", Recorder)
    monkeypatch.setattr(classifier, "Classifier", Recorder)
    (model,) = open_models([EXPORTED / "mnist.onnx"])
    (candidate,) = model_candidates([model], [Choice("cuda", "asked for", device_id=1, tf32=True)], [None])
    candidate.open()
    measure(path=str(model.path), provider="cuda", device_id=1, tf32=True, threads=None, batch=1)
    assert asked == 2 * [(model.path, "cuda", {"threads": None, "device_id": 1, "tf32": True})]


def test_what_lies_in_the_current_folder_is_not_run(tmp_path, monkeypatch):
    for name in ("json", "numpy", "edgesoft"):
        (tmp_path / f"{name}.py").write_text("open('owned', 'w')")
    monkeypatch.chdir(tmp_path)
    (model,) = open_models([EXPORTED / "mnist.onnx"])
    (candidate,) = model_candidates([model], [Choice("cpu", "asked for")], [1])
    candidate.peak_memory(1)
    assert not (tmp_path / "owned").exists()


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(EdgesoftError, match="no exported model here"):
        open_models([tmp_path])


def test_the_peak_of_this_process_grows_with_what_it_holds():
    before = own_peak()
    if before is None:
        pytest.skip("this system does not tell")
    held = np.ones(60_000_000, np.uint8)
    assert own_peak() >= before
    assert own_peak() > held.nbytes


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.23e-5, "12.3 us"), (4.56e-4, "456 us"), (0.00789, "7.89 ms"), (1.234, "1.23 s")]
)
def test_times_are_written_for_people(seconds, text):
    assert microseconds(seconds) == text
