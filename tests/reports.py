"""Reports and evaluations of every kind, of networks that were trained for real, if not for long."""

import dataclasses

import numpy as np
import pandas as pd

import edgesoft
from edgesoft.data.arrays import from_arrays
from edgesoft.exporting.export import export
from edgesoft.exporting.publish import publish
from edgesoft.exporting.report import report_html
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.evaluation_page import evaluation_html
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train

LONG = "a class of plants, of which the name goes on and on as botanists like it, number"
ODD_LABELS = (
    "<b>", "</svg><script>alert(1)</script>", '" onload="x', "$\\frac{1}{", "日本の山桜", "&amp;", "'", "a" * 60, "שלום", "$$",
)  # fmt: skip
ODD_NAME = "<i>x</i>"


def pictures(classes, shape, count=10):
    """A bright place for each class; noise besides."""
    generator = np.random.default_rng(0)
    targets = np.arange(classes * count) % classes
    x = generator.integers(0, 120, (len(targets), *shape))
    x.reshape(len(x), -1)[np.arange(len(x)), 7 * targets] = 255
    return x.astype(np.uint8), targets


def mixed(folder):
    """A run and an export of a table with a text column of many values, gaps and a date."""
    generator = np.random.default_rng(0)
    size = generator.lognormal(3, 1, 300)
    frame = pd.DataFrame({
        "town, as it is written in the register of 1900": [f"town {place}" for place in generator.integers(30, size=300)],
        "size": np.where(generator.random(300) < 0.1, np.nan, size),
        "built": [f"{1900 + place % 100}-0{1 + place % 9}-11" for place in range(300)],
        **{f"measurement {place}": generator.normal(size=300) for place in range(20)},
        "kind": np.where(size + generator.normal(0, 8, 300) > 20, "large", "small"),
    })  # fmt: skip
    run = edgesoft.train(frame, target="kind", epochs=2, hidden="8", output=folder / "run")
    return run, export(run.checkpoint, run.dataset, int8=QuantizeSettings())


def tumours(folder):
    """A run and an export with a sigmoid, whose threshold is not one half."""
    generator = np.random.default_rng(0)
    targets = np.arange(200) % 2
    x = generator.normal(size=(200, 3)) + targets[:, None]
    chosen = {"head": "sigmoid", "threshold": 0.3, "epochs": 5, "hidden": "8"}
    run = edgesoft.train(x, targets, labels=["benign", "malignant"], output=folder / "run", **chosen)
    return run, export(run.checkpoint, run.dataset, int8=QuantizeSettings())


def pictured(folder, labels, shape, hidden):
    """A data set of pictures, and an export without INT8."""
    x, targets = pictures(len(labels), shape)
    dataset = from_arrays({"train": (x, targets)}, name="pictures", labels=labels)
    run = train(dataset, TrainSettings(hidden=hidden, epochs=1, threads=1), RunFolder(folder / "run"))
    return export(run.checkpoint, dataset), dataset


def missed(result):
    """Every scheme missed its gate, for a reason as long as they are."""
    reason = (
        "accuracy drops by 12.34 points, allowed 0.1, and chance explains no such loss (p = 1e-30: 1234 lost, 0 won)"
    )
    names = (
        "7-bit weights per channel",
        "7-bit weights per channel, last layer in float",
        "8-bit weights per channel, last layer in float",
    )
    attempt = dataclasses.replace(result.attempts[-1], failures=(reason, "and <another>"))
    attempts = tuple(dataclasses.replace(attempt, arithmetic=f"INT8, {name}") for name in names)
    return dataclasses.replace(result, attempts=attempts)


def pages_of_every_kind(digits, mnist, folder):
    """Kind -> page; and the export behind the one of a sigmoid."""
    for name in ("mixed", "tumours", "forty", "large"):
        (folder / name).mkdir()
    odd = dataclasses.replace(mnist, labels=ODD_LABELS)
    run, table = mixed(folder / "mixed")
    tumour_run, tumour = tumours(folder / "tumours")
    long_names = [f"{LONG} {place}" for place in range(40)]
    published = {"table": publish(table, run.dataset, folder)[0], "digits": publish(digits, mnist, folder)[0]}
    return {
        "digits": report_html(digits, mnist),
        "odd names": report_html(missed(dataclasses.replace(digits, name=ODD_NAME)), odd),
        "table": report_html(table, run.dataset),
        "table that missed": report_html(missed(table), run.dataset),
        "sigmoid": report_html(tumour, tumour_run.dataset),
        "forty classes": report_html(*pictured(folder / "forty", long_names, (10, 10, 3), (8,))),
        "large pictures": report_html(
            *pictured(folder / "large", [f"class {place}" for place in range(45)], (120, 90, 3), ())
        ),
        "evaluation of rows": evaluation_html(edgesoft.evaluate(published["table"], run.dataset)),
        "evaluation of digits": evaluation_html(edgesoft.evaluate(published["digits"], mnist)),
    }, tumour
