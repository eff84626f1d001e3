"""edgesoft as an estimator of scikit-learn: in pipelines, grid searches and cross-validation, and from there to a device."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.api.models import export
from edgesoft.data.given import load_given
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.model.heads import Logits, probabilities
from edgesoft.model.network import Network
from edgesoft.progress import Talk
from edgesoft.settings import read_settings
from edgesoft.tables.frames import is_frame
from edgesoft.training.checkpoint import FILE_NAME
from edgesoft.training.results import TrainResult, Watcher
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings, settings_for

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_consistent_length, check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "edgesoft.sklearn needs scikit-learn 1.6 or newer. Install it: pip install scikit-learn"
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Self

    from edgesoft.exporting.results import Exported

FEW = 10
"""Of fewer rows a class, none is held out."""
SETTINGS = (
    "hidden", "head", "epochs", "patience", "batch_size", "lr", "weight_decay", "label_smoothing", "class_weights",
    "device", "threads",
)  # fmt: skip
"""Parameters that are settings of the training."""


class EdgesoftClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A small neural network that leaves PyTorch and keeps its answers.

    It learns numbers, or a data frame whose columns may hold words, dates and whatever else `edgesoft.train` reads. Of the rows that it is
    fitted to, it holds some out, as `test_split` and `val_split` say: to choose the best epoch, and to prove at export that the answers
    stay the same. Where a class has fewer than `FEW` rows, all of them do all three. Sample weights are not supported.

    Parameters
    ----------
    hidden, head, epochs, patience, batch_size, lr, weight_decay, label_smoothing, class_weights, device, threads, val_split, test_split
        As for `edgesoft.train`; None takes what suits the data.
    random_state
        Decides the first weights, the order of the examples and which are held out.
    verbose
        Whether to show on stderr how the training goes on.

    Attributes
    ----------
    classes_
        The labels, in their order.
    n_features_in_
        Columns seen in `fit`.
    feature_names_in_
        Their names, where they had some.
    n_iter_
        Epochs run.
    run_
        What `edgesoft.train` gave. It holds the data, so it does not travel in a pickle: export before, or fit again.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from edgesoft.sklearn import EdgesoftClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> EdgesoftClassifier(epochs=20, random_state=0).fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] | str | None = None,
        head: str | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        label_smoothing: float | None = None,
        class_weights: bool | None = None,
        device: str | None = None,
        threads: int | None = None,
        val_split: float = 0.1,
        test_split: float = 0.1,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.head = head
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self.device = device
        self.threads = threads
        self.val_split = val_split
        self.test_split = test_split
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from `X`, numbers `[n, features]` or a data frame, and its labels `y`, `[n]`.

        Raises
        ------
        ValueError
            They cannot be learned from, or a setting is out of its range.
        """
        if _is_frame(X):
            y = validate_data(self, y=y)
            validate_data(self, X, skip_check_array=True)  # after y, with which it forgets the names of the columns
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"EdgesoftClassifier needs examples of two classes or more, and y holds one class: {y[0]}")
        try:
            self.run_ = self._trained(X, codes)
        except EdgesoftError as error:
            raise ValueError(str(error)) from error
        self.checkpoint_, self.n_iter_ = self.run_.checkpoint, len(self.run_.epochs)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row of `X`."""
        logits = self._logits(X)
        return np.asarray(self.classes_[self.checkpoint_.card.head.predict(logits)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, float64 `[n, classes]`, in the order of `classes_`."""
        logits = self._logits(X)
        return probabilities(self.checkpoint_.card.head, logits)

    def export(
        self, output: str | Path = "exported", *, name: str = "model", quantize: bool = True, **settings: Any
    ) -> Exported:
        """Write the model file for a device, as `edgesoft.export` does, which says what the parameters mean and what may go wrong.

        Its calibrated probabilities are not quite those of `predict_proba`; its answers are those of `predict`.

        Raises
        ------
        UsageError
            The estimator came out of a pickle or a copy, without the data that an export is proved on.
        """
        check_is_fitted(self)
        if not hasattr(self, "run_"):
            raise UsageError(
                "EdgesoftClassifier: the data did not travel in the pickle. Export before, or fit it again"
            )
        with tempfile.TemporaryDirectory(prefix="edgesoft-") as folder:
            path = Path(folder) / FILE_NAME
            self.checkpoint_.save(path)
            return export(path, self.run_.dataset, quantize=quantize, output=output, name=name, **settings)

    def _trained(self, X: Any, codes: NDArray[np.int64]) -> TrainResult:
        """As `edgesoft.train`, which leaves a folder with pictures behind."""
        from edgesoft.training.train import train as learn  # what was fitted elsewhere predicts without torch

        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        shares = read_settings([DataSettings], {"val_split": self.val_split, "test_split": self.test_split})
        learning = read_settings([TrainSettings], {name: getattr(self, name) for name in SETTINGS})
        everything = (X, codes) if np.bincount(codes).min() < FEW else None
        dataset = load_given(
            X,
            DataSettings(**(shares if everything is None else {}), split_seed=seed),
            name="model",
            y=codes,
            validation=everything,
            test=everything,
            labels=[str(label) for label in self.classes_],
            feature_names=None if _is_frame(X) else getattr(self, "feature_names_in_", None),
        )
        settings = settings_for(len(dataset.train), dataset.input, {**learning, "seed": seed})
        with (
            tempfile.TemporaryDirectory(prefix="edgesoft-") as folder,
            Talk(learning, sys.stderr, quiet=not self.verbose) as talk,
        ):
            watcher = talk.watcher() if self.verbose else Watcher()
            watcher.on_data(dataset)
            watcher.on_start(dataset, settings)
            run = RunFolder(Path(folder) / "run")
            return learn(dataset, settings, run, on_batch=watcher.on_batch, on_epoch=watcher.on_epoch)

    def _logits(self, X: Any) -> Logits:
        check_is_fitted(self)
        kind, names = self.checkpoint_.card.input, getattr(self, "feature_names_in_", None)
        if _is_frame(X) and names is not None:
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, dtype=np.float64)
            X = X if names is None else dict(zip(names, X.T, strict=True))
        try:
            batch = kind.batch(X)
        except EdgesoftError as error:
            raise ValueError(f"X: {error}") from error
        inputs = batch.values
        network = Network(self.checkpoint_.layers, self.checkpoint_.card.head)
        largest = network.largest_input(kind.shape)
        if not (np.abs(inputs) <= largest).all():
            raise ValueError(f"X holds numbers beyond {largest:.1e}, with which the network would leave float32")
        if batch.notes:
            warnings.warn(f"X: {'; '.join(batch.notes)}", stacklevel=3)
        return network.logits(inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "run_"}


def _is_frame(X: Any) -> bool:
    """Whether the columns have names for scikit-learn too, which knows no dict."""
    return is_frame(X) and not isinstance(X, Mapping)
