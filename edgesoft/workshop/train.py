"""Trains a softmax MLP: the whole data set as one tensor, AdamW, a one-cycle learning rate, distortions batch by batch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edgesoft.card import ModelCard
from edgesoft.device.cpu import available_cores, features
from edgesoft.device.modelfile import SIZE_LIMIT as MODEL_SIZE_LIMIT
from edgesoft.errors import EdgesoftError, ProviderUnavailableError, UsageError
from edgesoft.files import check_writable, write_atomically
from edgesoft.workshop import charts
from edgesoft.workshop.augment import Augmentation, augment
from edgesoft.workshop.checkpoint import Arrays, Checkpoint, Layer, load_arrays, save_arrays
from edgesoft.workshop.config import TrainConfig
from edgesoft.workshop.datasets import Dataset, Split
from edgesoft.workshop.network import SoftmaxMLP, reference_logits, scale_pixels
from edgesoft.workshop.provenance import versions
from edgesoft.workshop.runs import RunFolder

SNAPSHOT_SECONDS = 30
"""How often the state that --resume continues from reaches the disk."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training split gave."""

    number: int
    """Counted from 1."""
    loss: float
    """Mean cross entropy over the training batches as they were fed, in nats."""
    validation_loss: float
    """Mean cross entropy on the validation split, in nats."""
    validation_accuracy: float
    """Fraction of the validation split that is labelled rightly."""
    seconds: float
    """Time spent in all epochs so far, in seconds."""

    @property
    def rank(self) -> tuple[float, float]:
        """Orders epochs by validation accuracy, and equal ones by validation loss."""
        return (self.validation_accuracy, -self.validation_loss)


@dataclass(frozen=True)
class TrainResult:
    """A finished or interrupted run."""

    folder: RunFolder
    epochs: tuple[Epoch, ...]
    best: Epoch
    """The epoch whose weights the checkpoint holds: the best on the validation split."""
    checkpoint: Checkpoint
    interrupted: bool


def _ignore(*_: object) -> None:
    pass


def train(
    dataset: Dataset,
    config: TrainConfig,
    folder: RunFolder,
    *,
    resume: bool = False,
    on_batch: Callable[[int, float], None] = _ignore,
    on_epoch: Callable[[Epoch], None] = _ignore,
) -> TrainResult:
    """Train, choose the best epoch on the validation split, and judge it once on the test split.

    Ctrl-C ends the run early; the best weights so far are kept, and the test split stays unseen.

    Parameters
    ----------
    dataset
        What to learn.
    config
        How.
    folder
        Where checkpoint, metrics and pictures go.
    resume
        Continue the interrupted run in `folder`, which must have been started with `config`: the weights come out as if it had
        never stopped.
    on_batch
        Called after each step with the number of steps so far and the loss of the batch, in nats.
    on_epoch
        Called after each epoch.

    Raises
    ------
    EdgesoftError
        The loss became NaN or infinite, `folder` cannot be written, or there is nothing to resume.
    ProviderUnavailableError
        Device "cuda" was asked for and PyTorch cannot use it.
    KeyboardInterrupt
        Ctrl-C came before the first epoch was complete, so there is nothing to keep.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ProviderUnavailableError(
            f"device cuda: PyTorch {torch.__version__} finds no GPU that it can use. "
            "Check nvidia-smi and that this is PyTorch's CUDA build, or train on the CPU: --device cpu"
        )
    config = resolve(config)
    _check_size(dataset, config)
    check_writable(folder.path)
    with _cpu_threads(config.threads):
        run = _Run(dataset, config)
        if resume:
            run.restore(load_arrays(folder.snapshot), folder.snapshot)
        interrupted = False
        try:
            run.fit(folder, on_batch, on_epoch)
        except KeyboardInterrupt:
            interrupted = True
        except _DivergedError as error:
            raise run.give_up(folder, error) from None
        return run.finish(folder, interrupted=interrupted)


def _check_size(dataset: Dataset, config: TrainConfig) -> None:
    """Refuse now what no model file could hold after an hour of training."""
    widths = [math.prod(dataset.input.shape), *config.hidden, len(dataset.labels)]
    size = 4 * sum((before + 1) * after for before, after in pairwise(widths))
    if size > MODEL_SIZE_LIMIT:
        raise UsageError(
            f"hidden layers {', '.join(map(str, config.hidden[:8]))}: weights of {size / 1e6:,.0f} MB, "
            f"but a model file holds {MODEL_SIZE_LIMIT / 1e6:.0f} MB. Choose smaller layers: --hidden"
        )


class _DivergedError(Exception):
    """The loss is no longer a finite number."""


class _Run:
    """One training run: all that changes in it is in its snapshot."""

    def __init__(self, dataset: Dataset, config: TrainConfig) -> None:
        self.dataset, self.config = dataset, config
        device = torch.device(config.device)
        self.inputs = torch.from_numpy(dataset.train.inputs).to(device)
        self.targets = torch.from_numpy(dataset.train.targets).to(device)
        self.generator = torch.Generator(device).manual_seed(config.seed)
        self.network = SoftmaxMLP(math.prod(dataset.input.shape), config.hidden, len(dataset.labels))
        self.network.initialise(torch.Generator().manual_seed(config.seed))
        self.network.to(device)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [layer.weight for layer in self.network.linears()], "weight_decay": config.weight_decay},
                {"params": [layer.bias for layer in self.network.linears()], "weight_decay": 0.0},
            ],
            lr=config.lr,
            fused=True,
        )
        self.epochs: list[Epoch] = []
        self.best: tuple[Epoch, Checkpoint] | None = None

    def fit(self, folder: RunFolder, on_batch: Callable[[int, float], None], on_epoch: Callable[[Epoch], None]) -> None:
        written = time.monotonic()
        snapshot: Arrays | None = None
        try:
            while len(self.epochs) < self.config.epochs:
                epoch = self._run_epoch(on_batch)
                self.epochs.append(epoch)
                if self.best is None or epoch.rank > self.best[0].rank:
                    self.best = (epoch, Checkpoint.from_network(self.network, self._card()))
                snapshot = self.take_snapshot()
                if time.monotonic() - written > SNAPSHOT_SECONDS:
                    save_arrays(folder.snapshot, snapshot)
                    snapshot, written = None, time.monotonic()
                on_epoch(epoch)
        finally:
            if snapshot is not None:
                save_arrays(folder.snapshot, snapshot)

    def _run_epoch(self, on_batch: Callable[[int, float], None]) -> Epoch:
        started = time.perf_counter()
        size, examples = self.config.batch_size, len(self.dataset.train)
        batches = math.ceil(examples / size)
        first_step, steps = len(self.epochs) * batches, self.config.epochs * batches
        order = torch.randperm(examples, generator=self.generator, device=self.inputs.device)
        self.network.train()
        total = 0.0
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.lr * one_cycle((first_step + batch) / steps)
            loss = self._step(scale_pixels(self.inputs[chosen]), self.targets[chosen])
            if not math.isfinite(loss):
                raise _DivergedError(f"the loss became {loss} in epoch {len(self.epochs) + 1}")
            total += loss
            on_batch(first_step + batch + 1, loss)
        validation_loss, accuracy = evaluate(self.network, self.dataset.validation)
        if not math.isfinite(validation_loss):
            raise _DivergedError(f"the validation loss became {validation_loss} in epoch {len(self.epochs) + 1}")
        seconds = time.perf_counter() - started + (self.epochs[-1].seconds if self.epochs else 0.0)
        return Epoch(len(self.epochs) + 1, total / batches, validation_loss, accuracy, seconds)

    def _step(self, x: torch.Tensor, targets: torch.Tensor) -> float:
        if self.config.augment:
            x = augment(x, Augmentation(), self.generator)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = self.network(x)
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def take_snapshot(self) -> Arrays:
        """Everything that the next epoch depends on, and the best weights so far."""
        best_epoch, best = self._require_best()
        document = {
            "config": self.config.to_json(),
            "data": self.dataset.digest,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best": best_epoch.number,
        }
        arrays: Arrays = {
            "run": np.frombuffer(json.dumps(document).encode(), np.uint8),
            "generator": self.generator.get_state().numpy(),
        }
        for index, parameter in enumerate(self.network.parameters()):
            arrays[f"parameter{index}"] = parameter.detach().cpu().numpy().copy()
            for name, value in self.optimizer.state[parameter].items():
                arrays[f"{name}{index}"] = value.cpu().numpy().copy()
        for index, layer in enumerate(best.layers):
            arrays[f"best_weight{index}"], arrays[f"best_bias{index}"] = layer.weight, layer.bias
        return arrays

    def restore(self, arrays: Arrays, origin: Path) -> None:
        """Continue from a snapshot of this very run."""
        document = read_run_document(arrays, origin)
        if TrainConfig.from_json(document["config"]) != self.config or document["data"] != self.dataset.digest:
            raise EdgesoftError(
                f"{origin}: holds a run with other settings or other data. Start a new one: edgesoft train"
            )
        try:
            self._take_over(document, arrays)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            detail = " ".join(str(error).split())[:200]
            raise EdgesoftError(
                f"{origin}: the training state is damaged ({detail}). Start a new run: edgesoft train"
            ) from error

    def _take_over(self, document: dict[str, Any], arrays: Arrays) -> None:
        device = self.inputs.device
        self.epochs = [Epoch(**epoch) for epoch in document["epochs"]]
        self.generator.set_state(torch.from_numpy(arrays["generator"]))
        for index, parameter in enumerate(self.network.parameters()):
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(arrays[f"parameter{index}"]))
            state = {name: torch.from_numpy(arrays[f"{name}{index}"]) for name in ("step", "exp_avg", "exp_avg_sq")}
            self.optimizer.state[parameter] = {name: value.to(device) for name, value in state.items()}
        layers = tuple(
            Layer(arrays[f"best_weight{index}"], arrays[f"best_bias{index}"])
            for index in range(len(self.config.hidden) + 1)
        )
        self.best = (self.epochs[document["best"] - 1], Checkpoint(self._card(), layers))

    def give_up(self, folder: RunFolder, error: _DivergedError) -> EdgesoftError:
        """Keep the last good weights, and say why training stopped."""
        advice = "Try a smaller --lr"
        if self.best is None:
            return EdgesoftError(f"training stopped: {error}, and there are no earlier weights to keep. {advice}")
        self.finish(folder, interrupted=True)
        return EdgesoftError(
            f"training stopped: {error}. The best weights before that, of epoch {self.best[0].number}, "
            f"are kept in {folder.checkpoint}. {advice}"
        )

    def finish(self, folder: RunFolder, *, interrupted: bool) -> TrainResult:
        """Write the run folder; a complete run is judged on the test split."""
        if self.best is None:
            raise KeyboardInterrupt
        best, checkpoint = self.best
        metrics: dict[str, Any] = {
            "epochs": len(self.epochs),
            "best_epoch": best.number,
            "seconds": round(self.epochs[-1].seconds, 2),
            "validation": {
                "accuracy": best.validation_accuracy,
                "loss": best.validation_loss,
                "examples": len(self.dataset.validation),
            },
        }
        if not interrupted:
            predicted = reference_logits(checkpoint.to_network(), self.dataset.test.inputs).argmax(axis=1)
            accuracy = float((predicted == self.dataset.test.targets).mean())
            metrics["test"] = {"accuracy": accuracy, "examples": len(self.dataset.test)}
            matrix = charts.count_confusion(self.dataset.test.targets, predicted, len(self.dataset.labels))
            write_atomically(folder.confusion_matrix, charts.confusion_matrix(matrix, self.dataset.labels))
        # Seconds differ from run to run; the weights and their card do not.
        card_metrics = {key: value for key, value in metrics.items() if key != "seconds"}
        checkpoint = replace(checkpoint, card=replace(checkpoint.card, metrics=card_metrics))
        document = {**metrics, "config": self.config.to_json(), "history": [asdict(epoch) for epoch in self.epochs]}
        write_atomically(folder.metrics, (json.dumps(document, indent=2) + "\n").encode())
        write_atomically(folder.learning_curve, charts.learning_curve(self.epochs))
        checkpoint.save(folder.checkpoint)
        return TrainResult(folder, tuple(self.epochs), best, checkpoint, interrupted)

    def _require_best(self) -> tuple[Epoch, Checkpoint]:
        if self.best is None:
            raise AssertionError("only after an epoch is there a best one")
        return self.best

    def _card(self) -> ModelCard:
        splits = {"train": self.dataset.train, "validation": self.dataset.validation, "test": self.dataset.test}
        return ModelCard(
            name=self.dataset.name,
            labels=self.dataset.labels,
            input=self.dataset.input,
            hidden=self.config.hidden,
            training={
                "data": self.dataset.name,
                "data_sha256": self.dataset.digest,
                "examples": {name: len(split) for name, split in splits.items()},
                "config": self.config.to_json(),
                "versions": versions(),
            },
        )


def stored_config(folder: RunFolder) -> TrainConfig:
    """The settings of the run in `folder`, for resuming it; raises EdgesoftError when there is none."""
    return TrainConfig.from_json(read_run_document(load_arrays(folder.snapshot), folder.snapshot)["config"])


def one_cycle(progress: float) -> float:
    """Learning rate, as a fraction of the largest, after `progress` (0..1) of all steps: up for 15 %, then down to 0, along cosines.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2018).
    """
    start, warm_up = 0.04, 0.15
    if progress < warm_up:
        return start + (1 - start) * (1 - math.cos(math.pi * progress / warm_up)) / 2
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2


def evaluate(network: SoftmaxMLP, split: Split) -> tuple[float, float]:
    """Mean cross entropy in nats, and accuracy as a fraction, of a network on a split."""
    logits = torch.from_numpy(reference_logits(network, split.inputs))
    targets = torch.from_numpy(split.targets)
    return functional.cross_entropy(logits, targets).item(), (logits.argmax(dim=1) == targets).double().mean().item()


def read_run_document(arrays: Arrays, origin: Path) -> dict[str, Any]:
    """The settings and history inside a snapshot; raises EdgesoftError when it is none."""
    try:
        document = json.loads(arrays["run"].tobytes())
        TrainConfig.from_json(document["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise EdgesoftError(
            f"{origin}: no training state of edgesoft ({error}). Start a new run: edgesoft train"
        ) from error
    return dict(document)


def resolve(config: TrainConfig) -> TrainConfig:
    """The settings with this machine's choices written out: the threads, and the arithmetic of the steps."""
    # With these instructions, training takes half the time in bfloat16 and ends equally well; without them, it takes longer.
    native = config.device == "cpu" and not features().isdisjoint(("avx512_bf16", "amx_bf16"))
    precision = ("bfloat16" if native else "float32") if config.precision == "auto" else config.precision
    return replace(config, precision=precision, threads=config.threads or available_cores())


@contextmanager
def _cpu_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
