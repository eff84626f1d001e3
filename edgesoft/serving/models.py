"""The models that are served: read once, verified, and swapped all together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from edgesoft.errors import GateMissedError, UsageError
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.find_model import find_model
from edgesoft.inference.prediction import Prediction
from edgesoft.inference.providers import Choice
from edgesoft.inference.verify import verify
from edgesoft.model.file import ModelFile, open_model, parse_model
from edgesoft.names import served_name, stem_flaw
from edgesoft.serving.batching import Batcher, rows_in_short
from edgesoft.serving.protocol import Signature
from edgesoft.serving.refusal import Refusal
from edgesoft.targets.web.page import write_served_page

VERSION = "1"
"""Of every model: the protocol wants one, and a file has none."""


@dataclass(frozen=True)
class Limits:
    """What a stranger may ask for."""

    batch: int = 256
    """Inputs of one request, and of one call."""
    queue: int = 1024
    """Inputs that wait for a call, of each model."""
    body: int = 16 * 2**20
    """Bytes of one request's body, also once it is unpacked."""
    seconds: float = 30.0
    """To send a request, and to answer it."""


@dataclass(frozen=True)
class Content:
    """A verified file: what the workers are given, whatever becomes of the file meanwhile."""

    path: Path
    content: bytes = field(repr=False)


def read_sources(arguments: Sequence[str], *, provider: str) -> dict[str, Path]:
    """Name -> path of the models to be served.

    Parameters
    ----------
    arguments
        NAME=PATH, or a path whose model is called as its file is, without ".onnx" and ".int8". A path may be a folder, as
        `find_model` has it.
    provider
        See `find_model`.

    Raises
    ------
    EdgesoftError
        There is no model.
    UsageError
        A name is none, or two models have the same.
    """
    sources: dict[str, Path] = {}
    for argument in arguments:
        name, equals, rest = argument.partition("=")
        is_named = bool(equals) and stem_flaw(name) is None
        path = Path(rest if is_named else argument)
        if not is_named:
            name = served_name(find_model(path, provider=provider).name)
        if name in sources:
            raise UsageError(f"two models are called {name!r}: {sources[name]} and {path}. Name them: NAME={path}")
        sources[name] = path
    return sources


def read_contents(sources: Mapping[str, Path], *, choice: Choice, threads: int | None = None) -> dict[str, Content]:
    """Read and verify every file.

    Raises
    ------
    EdgesoftError
        A file cannot be read, or is none of edgesoft's.
    GateMissedError
        One does not verify.
    ProviderUnavailableError
        The provider cannot run here.
    """
    found = {}
    for name, source in sources.items():
        model = open_model(find_model(source, provider=choice.provider))
        # What is verified must be what is served, also where somebody writes the file just now.
        report = verify(model.path, choice=choice, threads=threads, sha256=sha256(model.content).hexdigest())
        if not report.passed:
            raise GateMissedError(
                f"{model.path}: does not verify ({report.findings[0].message}). See more: edgesoft verify {model.path}"
            )
        found[name] = Content(model.path, model.content)
    return found


class Served:
    """One model that answers."""

    def __init__(
        self,
        name: str,
        model: ModelFile,
        classifier: Classifier,
        limits: Limits,
        on_batch: Callable[[Prediction], object],
    ) -> None:
        self.name, self.classifier, self._model = name, classifier, model
        self.sha256 = sha256(model.content).hexdigest()
        self.signature = Signature.of(model, limits.batch)
        quick = rows_in_short(classifier, self.signature.shape, self.signature.dtype, limits.batch)
        self.batcher = Batcher(
            classifier,
            quick_rows=quick,
            most_rows=limits.batch,
            most_waiting=max(limits.queue, limits.batch),
            on_batch=on_batch,
        )

    @cached_property
    def page(self) -> bytes:
        """The web target's page, which asks this server where photographs are concerned; raises EdgesoftError where there is none."""
        return write_served_page(self._model, f"predict?model={self.name}")


class Models(Mapping[str, Served]):
    """Name -> what is served under it now. A request keeps what it was given, whatever comes meanwhile."""

    def __init__(
        self,
        choice: Choice,
        limits: Limits,
        *,
        threads: int | None = None,
        on_batch: Callable[[str, Prediction], object] = lambda *_: None,
    ) -> None:
        self._choice, self._limits, self._threads, self._on_batch = choice, limits, threads, on_batch
        self._served: Mapping[str, Served] = {}

    def opened(self, contents: Mapping[str, Content]) -> Mapping[str, Served]:
        """What `swap` takes; those that are served already stay as they are. Raises EdgesoftError where one cannot be opened."""
        return {name: self._opened(name, content) for name, content in contents.items()}

    def swap(self, served: Mapping[str, Served]) -> None:
        """Serve these from now on."""
        self._served = served

    def _opened(self, name: str, content: Content) -> Served:
        earlier = self._served.get(name)
        if earlier is not None and earlier.sha256 == sha256(content.content).hexdigest():
            return earlier
        model = parse_model(content.content, content.path)
        choice = self._choice
        classifier = Classifier(
            model, choice.provider, threads=self._threads, device_id=choice.device_id, tf32=choice.tf32
        )
        return Served(name, model, classifier, self._limits, lambda answers: self._on_batch(name, answers))

    def find(self, name: str) -> Served:
        """The model of that name; raises Refusal (404) where there is none."""
        served = self._served.get(name)
        if served is None:
            raise Refusal(404, f"no model {name[:60]!a} is served here. There are {', '.join(self._served)}")
        return served

    def only(self, name: str | None) -> Served:
        """The model of that name, or the only one; raises Refusal where nobody knows which."""
        if name is not None:
            return self.find(name)
        if len(self._served) > 1:
            raise Refusal(
                400, f"several models are served here: say which, ?model= and one of {', '.join(self._served)}"
            )
        return next(iter(self._served.values()))

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)
