"""The part of a report that shows single examples: what speaks for an answer, the worst mistakes, and the labels that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset
from edgesoft.exporting.lesson import telling_example
from edgesoft.exporting.results import StagedModel
from edgesoft.exporting.sample import evenly_spread
from edgesoft.model.heads import Head, Logits, probabilities
from edgesoft.model.inputs import TableInput
from edgesoft.model.network import Network
from edgesoft.pages.charts import Bar, bars
from edgesoft.pages.examples import averaged, cells, picture, signed_map
from edgesoft.pages.markup import Markup, element, foreign, joined, note, scrolling, table, terms

SHOWN_PICTURES = 24
SHOWN_ROWS = 15
SHOWN_COLUMNS = 15
"""Columns of which is said how much they count."""
ROW_COLUMNS = 6
"""Columns that rows are shown by: those that count most."""
SHOWN_WEIGHTS = 24
"""Classes whose weights are shown as pictures."""
ATTRIBUTED_ROWS = 1000


class Examples:
    """Examples of the test split as the file that is to be taken answers them.

    Parameters
    ----------
    model
        That file.
    network
        The float network, whose weights and slopes say where it looks.
    dataset
        What the model was judged on.
    """

    def __init__(self, model: StagedModel, network: Network, dataset: Dataset) -> None:
        self.model, self.network, self.dataset = model, network, dataset
        self.test, self.labels, self.kind = dataset.test, dataset.labels, dataset.input
        self.head: Head = network.head.at(model.temperature)
        self.right = model.predictions == self.test.targets
        shares = probabilities(self.head, model.logits)
        self.confidences = shares[np.arange(len(shares)), model.predictions]
        self.example = telling_example(self.confidences.tolist(), self.right.tolist())

    def telling(self) -> tuple[Head, Logits, Sequence[str], Markup]:
        """What the lesson takes: head, logits, class names, and the example itself."""
        row = slice(self.example, self.example + 1)
        target = self.test.targets[self.example]
        if isinstance(self.kind, TableInput):
            shown = self._rows([self.example], ["right"], [[self._name(target)]])
        else:
            caption = element(
                "figcaption", f"Test example {self.example}, right: ", element("strong", foreign(self._name(target)))
            )
            shown = element("figure", self._picture(self.example), caption)
        return self.head, self.model.logits[row], self.labels, shown

    def looks(self) -> Iterator[Markup]:
        """Weights of a network of one layer as pictures; else what speaks for an answer, at one example or over many rows."""
        if isinstance(self.kind, TableInput):
            yield from self._columns_that_count(self.kind)
            return
        if len(self.network.products) == 1:
            yield from self._weights()
        right, wrong = self.example, self._surest(~self.right)
        shown = [right, *wrong[:1]]
        yield note("Blue places speak for the answer, orange ones against it; the picture itself is on the left.")
        yield element("div", *map(self._saliency, shown), class_="pair")
        yield terms(
            {
                "saliency": "How far each pixel raises the answer's logit: its brightness times the slope of the logit there "
                "(gradient x input); a black pixel says nothing.",
            }
        )

    def mistakes(self) -> Iterator[Markup]:
        """Of the file that is to be taken, the surest first."""
        wrong = self._surest(~self.right)
        if not wrong:
            yield element(
                "p",
                f"None: {self.model.arithmetic} labels all {len(self.test):,} test examples rightly.",
                class_="good",
            )
            return
        shown = wrong[: self._most]
        yield note(
            f"{len(shown):,} of {len(wrong):,}, the surest first, by {self.model.arithmetic}: a wrong label in the data shows here too."
        )
        if isinstance(self.kind, TableInput):
            words = [
                [self._name(self.test.targets[place]), self._answered(place), _percent(self.confidences[place])]
                for place in shown
            ]
            yield self._rows(shown, ["right", "answered", "confidence"], words)
            return
        yield self._gallery(
            shown, [["answered ", self._answered(place), f" {_percent(self.confidences[place])}"] for place in shown]
        )

    def changes(self, candidate: StagedModel) -> Iterator[Markup]:
        """Examples that PyTorch and the last file label differently."""
        changes = candidate.parity.label_changes
        if not changes:
            yield element("p", f"None: {candidate.arithmetic} labels every example like PyTorch.", class_="good")
            return
        shown = changes[: self._most]
        more = f" The first {len(shown)} of {len(changes)}." if len(changes) > len(shown) else ""
        yield note(f"PyTorch against {candidate.arithmetic}.{more}")
        sides = [
            [
                joined([self._answer(label, change.example), f" {100 * share:.0f} %"])
                for label, share in (
                    (change.reference, change.reference_probability),
                    (change.candidate, change.candidate_probability),
                )
            ]
            for change in shown
        ]
        places = [change.example for change in shown]
        if isinstance(self.kind, TableInput):
            words = [[self._name(self.test.targets[place]), *row] for place, row in zip(places, sides, strict=True)]
            yield self._rows(places, ["right", "PyTorch", candidate.arithmetic], words)
        else:
            yield self._gallery(places, [[before, " \u2192 ", after] for before, after in sides])

    @property
    def _most(self) -> int:
        return SHOWN_PICTURES if self.kind.is_picture else SHOWN_ROWS

    def _surest(self, chosen: NDArray[np.bool_]) -> list[int]:
        places = np.flatnonzero(chosen)
        order = np.argsort(-self.confidences[places], kind="stable")
        found: list[int] = places[order].tolist()
        return found

    def _name(self, label: int) -> str:
        return self.labels[int(label)]

    def _answer(self, label: int, place: int) -> Markup:
        return element("bdi", self._name(label), class_="good" if label == self.test.targets[place] else "bad")

    def _answered(self, place: int) -> Markup:
        return self._answer(int(self.model.predictions[place]), place)

    def _picture(self, place: int) -> Markup:
        return picture(self.test.inputs[place], f"test example {place}: {self._name(self.test.targets[place])}")

    def _gallery(self, places: Sequence[int], captions: Sequence[Sequence[str]]) -> Markup:
        figures = []
        for place, words in zip(places, captions, strict=True):
            right = ["right: ", foreign(self._name(self.test.targets[place])), f", test example {place}"]
            figures.append(
                element("figure", self._picture(place), element("figcaption", *words, element("br"), *right))
            )
        return element("div", *figures, class_="gallery")

    def _rows(self, places: Sequence[int], heading: Sequence[str], words: Sequence[Sequence[str]]) -> Markup:
        """Rows of a table by the columns that count most."""
        kind, shown = self.kind, self._order[:ROW_COLUMNS]
        assert isinstance(kind, TableInput)  # noqa: S101 - only rows have columns
        names = [kind.columns[column].name for column in shown]
        rows = [
            [f"{place}", *said, *cells(kind, self.test.inputs[place], shown)]
            for place, said in zip(places, words, strict=True)
        ]
        return scrolling("rows of the test split", table(["example", *heading, *names], rows))

    def _attributions(self, places: NDArray[np.intp]) -> NDArray[np.float32]:
        from edgesoft.exporting.attribution import attributions  # torch, which nothing else of publishing needs

        return attributions(self.network.layers, self.test.inputs[places], self.model.predictions[places])

    @cached_property
    def _counts(self) -> NDArray[np.float64]:
        """How much each column of a table counts: float64 `[columns]`, the mean size of what it adds to the answers' logits."""
        kind = self.kind
        assert isinstance(kind, TableInput)  # noqa: S101 - only rows have columns
        places = evenly_spread(np.arange(len(self.test)), ATTRIBUTED_ROWS)
        values = self._attributions(places)
        starts = np.cumsum([0, *(column.width for column in kind.columns)])[:-1]
        return np.asarray(np.abs(np.add.reduceat(values.astype(np.float64), starts, axis=1)).mean(axis=0))

    @cached_property
    def _order(self) -> list[int]:
        order: list[int] = np.argsort(-self._counts, kind="stable").tolist()
        return order

    def _columns_that_count(self, kind: TableInput) -> Iterator[Markup]:
        shown = self._order[:SHOWN_COLUMNS]
        rows = [Bar(kind.columns[place].name, self._counts[place], f"{self._counts[place]:.3g}") for place in shown]
        more = f", the first {len(shown)} of {len(kind.columns):,}" if len(kind.columns) > len(shown) else ""
        yield note(f"How much each column counts{more}.")
        yield bars("how much each column counts", rows)
        yield terms(
            {
                "counts": "How far the column's value moves the answer's logit away from where a row in the middle of the training rows "
                "would have it, on average over test rows: its scaled value times the slope there (gradient x input).",
            }
        )

    def _weights(self) -> Iterator[Markup]:
        product, spec = self.network.products[0], self.kind.shape
        weights = np.asarray(product.weight, np.float32).reshape(-1, *spec)
        maps = averaged(weights.sum(axis=3) if weights.ndim == 4 else weights)
        names = self.labels if len(maps) > 1 else self.labels[1:]
        largest = float(np.abs(maps).max())
        figures = [
            element(
                "figure",
                signed_map(values, f"weights of {name}", largest=largest),
                element("figcaption", foreign(name)),
            )
            for name, values in list(zip(names, maps, strict=True))[:SHOWN_WEIGHTS]
        ]
        more = f" The first {SHOWN_WEIGHTS} of {len(maps)} classes." if len(maps) > SHOWN_WEIGHTS else ""
        yield note(
            "The network has one layer, so that its weights are all that it knows: for each class a weight for each pixel. "
            f"Light on blue places speaks for the class, on orange ones against it.{more}"
        )
        yield element("div", *figures, class_="gallery")

    def _saliency(self, place: int) -> Markup:
        values = self._attributions(np.array([place]))[0]
        size = self.kind.shape[:2]
        values = averaged(values.reshape(*size, -1).sum(axis=2))
        alt = f"what speaks for {self._name(self.model.predictions[place])} in test example {place}"
        caption = element(
            "figcaption",
            f"Test example {place}, answered ",
            self._answered(place),
            f" {_percent(self.confidences[place])}",
        )
        return element("figure", self._picture(place), " ", signed_map(values, alt), caption)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"
