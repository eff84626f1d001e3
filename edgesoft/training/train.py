"""Trains a network: the whole data set as one tensor, AdamW, a one-cycle learning rate, distortions batch by batch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgesoft.data.dataset import Dataset
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.escape import json_text, printable
from edgesoft.inference.scores import ClassScore, class_scores, count_confusion, macro_f1
from edgesoft.model.inputs import PictureInput
from edgesoft.npz import Arrays, npz_bytes
from edgesoft.training import charts
from edgesoft.training.checkpoint import SCALING, Checkpoint, read_arrays, read_layers
from edgesoft.training.compute import compiler_folder, cpu_threads, require_device, resident, resolve
from edgesoft.training.distort import distorted, is_photograph
from edgesoft.training.flips import keeps_classes
from edgesoft.training.network import LearningNetwork, SoftmaxNetwork, reference_logits
from edgesoft.training.objective import balanced_weights, evaluate, loss_of, with_none_of_them
from edgesoft.training.outliers import draw_outliers
from edgesoft.training.provenance import card_of
from edgesoft.training.results import Epoch, TrainResult, epochs_csv
from edgesoft.training.resume import pack, read_run_document, unpack
from edgesoft.training.runs import RunFolder, new_run
from edgesoft.training.schedule import one_cycle
from edgesoft.training.settings import TrainSettings
from edgesoft.training.settings_file import settings_file
from edgesoft.training.size import check_size
from edgesoft.training.teacher import load_teacher, taught
from edgesoft.transaction import locked, replace_together

FLIPS_ASKED = 5
"""Into so many parts the epochs are divided; after each of them the network is asked whether pictures may be flipped, until they may."""
SAVE_SECONDS = 30
"""How often the state that --resume continues from, the metrics and the learning curve reach the disk."""


@compiler_folder()
def train(
    dataset: Dataset,
    config: TrainSettings,
    folder: RunFolder | None,
    *,
    resume: bool = False,
    on_batch: Callable[[int, float], object] = lambda *_: None,
    on_epoch: Callable[[Epoch], object] = lambda _: None,
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
        Where checkpoint, metrics and pictures go; None takes `runs/<name>`, or the next free number.
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
        The loss became NaN or infinite, `folder` cannot be written, holds something else or is being written by another training, or
        there is nothing to resume.
    UsageError
        A sigmoid head was asked for, and there are not two classes.
    ProviderUnavailableError
        Device "cuda" was asked for and PyTorch cannot use it.
    KeyboardInterrupt
        Ctrl-C came before the first epoch was complete, so there is nothing to keep.
    """
    if config.head == "sigmoid" and len(dataset.labels) != 2:
        raise UsageError(
            f"--head sigmoid: one logit tells two classes apart, but {dataset.name} has {len(dataset.labels)}. Use --head softmax"
        )
    architecture = config.architecture(dataset.input.shape, len(dataset.labels))
    check_size(architecture)
    require_device(config.device)
    config = resolve(config, dataset.input, architecture.multiplications)
    with ExitStack() as stack:
        stack.enter_context(cpu_threads(config.threads))
        if folder is None:
            folder = stack.enter_context(new_run(dataset.name))
        else:
            stack.enter_context(locked(folder.path, patience=0))
        if not resume:
            folder.check_free()
        run = _Run(dataset, config)
        if resume:
            run.restore(read_arrays(folder.last), folder.last)
        interrupted = False
        try:
            run.fit(folder, on_batch, on_epoch)
        except KeyboardInterrupt:
            interrupted = True
        except _DivergedError as error:
            raise run.give_up(folder, error) from None
        return run.finish(folder, interrupted=interrupted)


class _DivergedError(Exception):
    """The loss is no longer a finite number."""


class _Run:
    """One training run: all that changes in it is in its `resume_state`."""

    def __init__(self, dataset: Dataset, config: TrainSettings) -> None:
        self.dataset, self.config = dataset, config
        self.device = torch.device(config.device)
        self.inputs = resident(dataset.train.inputs, self.device)
        self.targets = torch.from_numpy(dataset.train.targets).to(self.device)
        self.class_weights = (
            balanced_weights(dataset.train.targets, len(dataset.labels)) if config.class_weights else None
        )
        self.loss_weights = None if self.class_weights is None else torch.from_numpy(self.class_weights).to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.outliers: torch.Tensor | None = None
        started = time.perf_counter()
        if config.outliers and isinstance(dataset.input, PictureInput):
            self.outliers = torch.from_numpy(draw_outliers(dataset.input, dataset.labels, config.seed)).to(self.device)
        self.drawing_seconds = time.perf_counter() - started
        self.card = card_of(dataset, config)
        self.teacher = load_teacher(config.teacher, dataset, self.card.outputs, self.device) if config.teacher else None
        generator = torch.Generator().manual_seed(config.seed)
        plain = SoftmaxNetwork.untrained(self.card.architecture, dataset.first_layers, generator)
        self.network = LearningNetwork(plain, batch_norm=config.batch_norm).to(self.device)
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
                {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
            ],
            lr=config.lr,
            fused=True,
        )
        self.epochs: list[Epoch] = []
        self.best: tuple[Epoch, Checkpoint] | None = None

    def fit(
        self, folder: RunFolder, on_batch: Callable[[int, float], object], on_epoch: Callable[[Epoch], object]
    ) -> None:
        written = time.monotonic()
        state: Arrays | None = None
        try:
            while len(self.epochs) < self.config.epochs and not self._is_hopeless():
                epoch, plain = self._run_epoch(on_batch)
                self.epochs.append(epoch)
                if self._is_as_good(epoch):
                    self.best = (epoch, Checkpoint(self.card, plain.to_layers()))
                state = self.resume_state(plain)
                if time.monotonic() - written > SAVE_SECONDS:
                    files = self._state_files(folder, state) | self._history_files(folder, self._metrics())
                    replace_together(folder.path, files)
                    state, written = None, time.monotonic()
                on_epoch(epoch)
        finally:
            if state is not None:
                folder.write(partial(self._state_files, folder, state))

    def _state_files(self, folder: RunFolder, state: Arrays) -> dict[str, bytes]:
        """Name -> content of all that --resume needs."""
        files = {
            folder.last.name: npz_bytes(state),
            folder.config.name: settings_file(self.config, self.dataset.options),
        }
        if self.dataset.skipped:
            files[folder.skipped.name] = "".join(f"{printable(line)}\n" for line in self.dataset.skipped).encode()
        return files

    def _is_as_good(self, epoch: Epoch) -> bool:
        """Whether an epoch is as good as the best so far, within one standard error.

        A small validation split often has its highest accuracy by luck and early; the later epochs, with their smaller steps,
        are the better ones. Source: the rule of Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984).
        Two right and two wrong answers are added before the error is taken, because no mistake among a few is no error of 0. Source:
        Agresti and Coull, "Approximate Is Better than Exact" (The American Statistician, 1998).
        """
        top, examples = max(epoch.validation_accuracy for epoch in self.epochs), len(self.dataset.validation)
        likely = (top * examples + 2) / (examples + 4)
        return epoch.validation_accuracy >= top - math.sqrt(likely * (1 - likely) / (examples + 4))

    def _is_hopeless(self) -> bool:
        if not self.config.patience or not self.epochs:
            return False
        peak = max(self.epochs, key=lambda epoch: epoch.rank)
        return len(self.epochs) - peak.number >= self.config.patience

    def _may_flip(self) -> bool:
        """Whether the next epoch flips pictures: once they may be, they are to the end."""
        if not self.epochs or not self.config.augment or not is_photograph(self.dataset.input):
            return False
        if self.epochs[-1].flips:
            return True
        is_time = len(self.epochs) % math.ceil(self.config.epochs / FLIPS_ASKED) == 0
        return is_time and keeps_classes(
            self.network.fold(), self.card.head, self.dataset.train, len(self.dataset.labels)
        )

    def _run_epoch(self, on_batch: Callable[[int, float], object]) -> tuple[Epoch, SoftmaxNetwork]:
        started = time.perf_counter()
        flips = self._may_flip()
        size, examples = self.config.batch_size, len(self.dataset.train)
        batches = self.config.batches(examples)
        first_step, steps = len(self.epochs) * batches, self.config.epochs * batches
        order = torch.randperm(examples, generator=self.generator, device=self.device)
        self.network.train()
        total = 0.0
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.lr * one_cycle((first_step + batch) / steps)
            inputs = self.inputs[chosen.to(self.inputs.device)].to(self.device)
            loss = self._step(inputs, self.targets[chosen], flips=flips)
            if not math.isfinite(loss):
                raise _DivergedError(f"the loss became {loss} in epoch {len(self.epochs) + 1}")
            total += loss
            on_batch(first_step + batch + 1, loss)
        plain = self.network.fold()
        validation_loss, accuracy = evaluate(plain, self.card.head, self.dataset.validation, weights=self.class_weights)
        if not math.isfinite(validation_loss):
            raise _DivergedError(f"the validation loss became {validation_loss} in epoch {len(self.epochs) + 1}")
        seconds = time.perf_counter() - started + (self.epochs[-1].seconds if self.epochs else self.drawing_seconds)
        return Epoch(len(self.epochs) + 1, total / batches, validation_loss, accuracy, seconds, flips), plain

    def _step(self, inputs: torch.Tensor, targets: torch.Tensor, *, flips: bool) -> float:
        examples = len(inputs)
        if self.outliers is not None:
            count = max(1, round(self.config.outliers * len(inputs)))
            drawn = torch.randint(len(self.outliers), (count,), generator=self.generator, device=self.device)
            inputs = torch.cat((inputs, self.outliers[drawn]))
        x = self.network.network.prepare(inputs)
        if self.config.augment:
            x = distorted(x, self.dataset.input, self.generator, self.config.distortion, flips=flips)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = own = self.network(x).float()
        weights = self.loss_weights
        if self.outliers is not None:
            logits, targets, weights = with_none_of_them(logits, targets, weights)
        loss = loss_of(self.card.head, logits, targets, label_smoothing=self.config.label_smoothing, weights=weights)
        if self.teacher is not None:
            with torch.no_grad():
                wanted = self.teacher.network(x[:examples])
            loss = taught(loss, own[:examples], wanted)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def resume_state(self, plain: SoftmaxNetwork) -> Arrays:
        """Everything that the next epoch depends on, and the best weights so far."""
        best_epoch, best = self._require_best()
        document = {
            "config": self.config.to_json(),
            "data": self.dataset.digest,
            "teacher": self._teacher_digest,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best": best_epoch.number,
        }
        # The weights stand under the names of a checkpoint, so that the last epoch can be exported like the best one.
        arrays = Checkpoint(self.card, plain.to_layers()).to_arrays()
        arrays["run"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
        arrays |= pack(self.network, self.optimizer, self.generator)
        for name, array in best.to_arrays().items():
            if name.startswith(("weight", "bias")):
                arrays[f"best_{name}"] = array
        return arrays

    @property
    def _teacher_digest(self) -> str | None:
        return None if self.teacher is None else self.teacher.sha256

    def restore(self, arrays: Arrays, origin: Path) -> None:
        """Continue from a `resume_state` of this very run."""
        document = read_run_document(arrays, origin)
        differs = {
            "other settings": TrainSettings.from_json(document["config"]) != self.config,
            "other data": document["data"] != self.dataset.digest,
            "another teacher": document.get("teacher") != self._teacher_digest,
        }
        if any(differs.values()):
            what = " and ".join(name for name, holds in differs.items() if holds)
            raise EdgesoftError(f"{origin}: holds a run with {what}. Start a new one: edgesoft train")
        try:
            unpack(arrays, self.network, self.optimizer, self.generator)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            detail = " ".join(str(error).split())[:200]
            raise EdgesoftError(
                f"{origin}: the training state is damaged ({detail}). Start a new run: edgesoft train"
            ) from error
        best = read_layers(arrays, self.card.architecture, self.dataset.first_layers, origin, "best_")
        self.epochs = document["epochs"]
        checkpoint = Checkpoint(self.card, best)
        current = checkpoint.to_arrays()
        if any(not np.array_equal(current[name], arrays.get(name, ())) for name in SCALING if name in current):
            raise EdgesoftError(
                f"{origin}: was begun by an edgesoft that scales features otherwise. Start a new one: edgesoft train"
            )
        self.best = (self.epochs[document["best"] - 1], checkpoint)

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
        metrics, scores = self._metrics(), tuple[ClassScore, ...]()
        files: dict[str, bytes] = {}
        if not interrupted:
            test, labels = self.dataset.test, self.dataset.labels
            predicted = self.card.head.predict(reference_logits(SoftmaxNetwork(checkpoint.layers), test.inputs))
            matrix = count_confusion(test.targets, predicted, len(labels))
            scores = class_scores(matrix, labels)
            metrics["test"] = {
                "accuracy": float((predicted == test.targets).mean()),
                "macro_f1": macro_f1(scores),
                "examples": len(test),
            }
            files[folder.confusion_matrix.name] = charts.confusion_matrix(matrix, labels)
        # Seconds differ from run to run; the weights and their card do not.
        card_metrics = {key: value for key, value in metrics.items() if key != "seconds"}
        checkpoint = replace(checkpoint, card=replace(checkpoint.card, metrics=card_metrics))
        files |= self._history_files(folder, {**metrics, "classes": [asdict(score) for score in scores]})
        files[folder.checkpoint.name] = npz_bytes(checkpoint.to_arrays())
        folder.write(lambda: files)
        return TrainResult(folder, self.config, tuple(self.epochs), best, checkpoint, interrupted, self.dataset, scores)

    def _metrics(self) -> dict[str, Any]:
        best, _ = self._require_best()
        return {
            "epochs": len(self.epochs),
            "best_epoch": best.number,
            "seconds": round(self.epochs[-1].seconds, 2),
            "validation": {
                "accuracy": best.validation_accuracy,
                "loss": best.validation_loss,
                "examples": len(self.dataset.validation),
            },
        }

    def _history_files(self, folder: RunFolder, metrics: dict[str, Any]) -> dict[str, bytes]:
        """Name -> content of what people look at."""
        document = {**metrics, "config": self.config.to_json(), "history": [asdict(epoch) for epoch in self.epochs]}
        text = json_text(document, indent=2) + "\n"
        return {
            folder.metrics.name: text.encode(),
            folder.epochs.name: epochs_csv(self.epochs).encode(),
            folder.learning_curve.name: charts.learning_curve(self.epochs),
        }

    def _require_best(self) -> tuple[Epoch, Checkpoint]:
        if self.best is None:
            raise AssertionError("only after an epoch is there a best one")
        return self.best
