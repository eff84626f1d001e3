"""Measures how well a model reads a folder of labelled pictures: the accuracy of each source, and the pictures it misreads.

    python scripts/measure_pictures.py FOLDER [--model exported/mnist.int8.onnx]

FOLDER holds pictures and labels.csv with the columns file, label and source. An answer of "unknown" counts as wrong in the
accuracy; how often it was given is shown beside.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import edgesoft
from edgesoft.inference.batches import UNKNOWN, classify
from edgesoft.inference.parity import wilson_interval

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, default=ROOT / "exported" / "mnist.int8.onnx")
    parser.add_argument("--reject", type=float, default=None, help="as edgesoft infer --reject")
    parser.add_argument("--list", action="store_true", help="list the misread pictures")
    options = parser.parse_args()
    with (options.folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    classifier = edgesoft.load(options.model)
    answers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    pictures = ((row["file"], options.folder / row["file"]) for row in rows)
    for row, reading in zip(rows, classify(classifier, pictures, reject=options.reject), strict=True):
        answer = getattr(reading, "label", "unreadable")
        answers[row["source"]].append((row["label"], answer))
        if options.list and answer != row["label"]:
            warnings = "; ".join(getattr(reading, "warnings", ()))
            print(f"{row['file']}: {row['label']} read as {answer} {getattr(reading, 'confidence', 0):.2f} {warnings}")
    for source in [*sorted(answers), "all"]:
        pairs = answers[source] if source != "all" else [pair for group in list(answers.values()) for pair in group]
        right = sum(label == answer for label, answer in pairs)
        unknown = sum(answer == UNKNOWN for _, answer in pairs)
        low, high = wilson_interval(right / len(pairs), len(pairs))
        interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
        print(
            f"{source:24s} {right:5d} of {len(pairs):5d}  {100 * right / len(pairs):6.2f} %  ({interval}; {unknown} unknown)"
        )


if __name__ == "__main__":
    main()
