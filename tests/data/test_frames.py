"""A data frame trains as a CSV file of the same values does."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris

import edgesoft
from edgesoft.data import frames as module
from edgesoft.data.frames import load_frames
from edgesoft.data.settings import DataSettings
from edgesoft.data.tables import load_table
from edgesoft.errors import EdgesoftError, UsageError

TARGET = DataSettings(target="kind")


@pytest.fixture(scope="module")
def frame():
    generator = np.random.default_rng(0)
    size = generator.normal(size=120)
    frame = pd.DataFrame(
        {
            "size": size,
            "count": generator.integers(0, 9, 120),
            "colour": pd.Categorical(generator.choice(["red", "grün", "blue"], 120)),
            "is new": generator.random(120) > 0.5,
            "small": size.astype(np.float32),
        }
    )
    return frame.assign(kind=np.where(size + (frame["colour"] == "red") > 0.5, "big", "little"))


def split(frame):
    return frame.drop(columns="kind"), frame["kind"]


def outcome(load):
    """What was read, or why it could not be, in words that do not tell where it came from."""
    try:
        dataset = load()
    except EdgesoftError as error:
        return str(error).partition(": ")[2]
    return dataset.digest, dataset.input, dataset.labels, dataset.warnings


@pytest.mark.parametrize(
    "form", [lambda f: f, pl.from_pandas, pa.Table.from_pandas, lambda f: f.to_dict("list")],
    ids=["pandas", "polars", "pyarrow", "dict"],
)  # fmt: skip
def test_every_frame_is_read_as_its_file(frame, form, tmp_path):
    frame.to_csv(tmp_path / "table.csv", index=False)
    ours = outcome(lambda: load_frames({"train": (form(frame), None)}, TARGET))
    assert ours == outcome(lambda: load_table(tmp_path / "table.csv", TARGET))
    assert len(ours[1].columns) == 5


MISSING = {"size": np.nan, "colour": None, "is new": None, "kind": None}
ODD = {
    **{f"missing {name}": lambda f, name=name: f.assign(**{name: f[name].astype(object).mask(f.index == 7)}) for name in MISSING},
    "dates": lambda f: f.assign(count=pd.Timestamp("2024-01-05") + pd.to_timedelta(f["count"] % 4, "D")),
    "times": lambda f: f.assign(count=pd.Timestamp("2024-01-05 10:00") + pd.to_timedelta(f["count"] % 4, "D")),
    "missing dates": lambda f: f.assign(count=(pd.Timestamp("2024-01-05") + pd.to_timedelta(f["count"] % 4, "D")).mask(f.index == 3)),
    "nullable": lambda f: f.convert_dtypes(),
    "infinite": lambda f: f.assign(size=f["size"].mask(f.index == 3, np.inf)),
    "words among numbers": lambda f: f.assign(count=f["count"].astype(object).mask(f.index == 3, "many")),
    "a quantity as label": lambda f: f.assign(kind=f["size"]),
    "integer labels": lambda f: f.assign(kind=f["count"] % 3),
    "boolean labels": lambda f: f.assign(kind=f["is new"]),
    "an empty column": lambda f: f.assign(count=None),
    "a constant": lambda f: f.assign(count=1),
    "a column of names": lambda f: f.assign(count=[f"row {n}" for n in range(len(f))]),
    "numbers as text": lambda f: f.assign(size=f["size"].astype(str)),
    "no rows": lambda f: f[:0],
    "one class": lambda f: f[f["kind"] == "big"],
    "a column without a name": lambda f: f.rename(columns={"size": ""}),
    "two columns of one name": lambda f: f.rename(columns={"size": "count"}),
    "blanks": lambda f: f.rename(columns={"size": " size "}).assign(colour=f["colour"].astype(str) + " "),
}  # fmt: skip


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_what_is_odd_is_read_or_refused_as_in_its_file(frame, change, tmp_path):
    odd = change(frame)
    odd.to_csv(tmp_path / "table.csv", index=False)
    ours, theirs = (
        outcome(load)
        for load in (
            lambda: load_frames({"train": (odd, None)}, TARGET),
            lambda: load_table(tmp_path / "table.csv", TARGET),
        )
    )
    assert without_lines(ours) == without_lines(theirs)


def without_lines(found):
    """A frame has no heading, which is the first line of a file."""
    return (
        re.sub(r"line \d+", "line", found) if isinstance(found, str) else (*found[:-1], *map(without_lines, found[-1]))
    )


def test_labels_may_stand_beside_the_frame(frame):
    features, labels = split(frame)
    whole = outcome(lambda: load_frames({"train": (frame, None)}, TARGET))
    for kinds in (labels, labels.to_list(), labels.to_numpy(), pl.Series(labels.to_list()), labels.to_frame()):
        assert outcome(lambda kinds=kinds: load_frames({"train": (features, kinds)}, DataSettings())) == whole
    named = features.rename(columns={"size": "label", "count": "label 2"})
    dataset = load_frames({"train": (named, labels)}, DataSettings())
    assert [column.name for column in dataset.input.columns] == ["label", "label 2", "colour", "is new", "small"]


def test_class_names_for_integers_keep_their_order():
    iris = load_iris(as_frame=True)
    data = load_frames({"train": (iris.frame, None)}, DataSettings(target="target"), labels=iris.target_names)
    assert data.labels == ("setosa", "versicolor", "virginica")
    booleans = load_frames({"train": (iris.data, iris.target > 0)}, DataSettings(), labels=["no", "yes"])
    assert booleans.labels == ("no", "yes")
    with pytest.raises(EdgesoftError, match="with 2 class names, labels must be integers from 0 to 1"):
        load_frames({"train": (iris.data, iris.target)}, DataSettings(), labels=["no", "yes"])


def test_validation_and_test_frames_are_found_by_name_and_teach_nothing(frame):
    train, validation, test = frame[:80], frame[80:100], frame[100:]
    shuffled = validation[["kind", "is new", "small", "colour", "count", "size"]].assign(extra=1)
    data = load_frames({"train": (train, None), "validation": (shuffled, None), "test": (test, None)}, TARGET)
    assert [len(part) for part in data.splits.values()] == [80, 20, 20]
    assert "the validation frame: columns that the data frame has not are not used: extra" in data.warnings
    alone = load_frames({"train": (train, None)}, TARGET)
    assert len(alone.train) < 80
    position = data.input.features.index("count")
    assert data.validation.inputs[:, position].tolist() == validation["count"].tolist()
    pair = load_frames({"train": (train, None), "validation": split(validation)}, TARGET)
    beside = {
        "train": split(train),
        "validation": (validation.drop(columns="kind").assign(label=7), validation["kind"]),
    }
    for other in (pair, load_frames(beside, DataSettings())):
        assert other.validation.targets.tolist() == data.validation.targets.tolist()
    held_out = load_frames({"train": (train, None), "test": (test, None)}, TARGET)
    assert len(held_out.train) + len(held_out.validation) == 80
    unseen = load_frames({"train": (train, None), "test": (test.assign(colour="pink"), None)}, TARGET)
    assert any("20 of 20 test rows hold a value in column 'colour'" in warning for warning in unseen.warnings)


def test_rows_come_in_blocks_and_stay_in_order(frame, monkeypatch):
    whole = outcome(lambda: load_frames({"train": (frame, None)}, TARGET))
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 50)
    assert outcome(lambda: load_frames({"train": (frame, None)}, TARGET)) == whole
    shuffled = frame.set_index(np.arange(120)[::-1] * 1.5)
    assert outcome(lambda: load_frames({"train": (shuffled, None)}, TARGET)) == whole


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda f: edgesoft.train(f), UsageError, "the data frame: which column holds the labels. Say target=NAME"),
        (lambda f: edgesoft.train(f, target="knd"), UsageError, "has no column 'knd'. Did you mean 'kind'"),
        (lambda f: edgesoft.train(f, f["kind"], target="kind"), UsageError, "labels beside it, and in its column 'kind' too"),
        (lambda f: edgesoft.train(f, target="kind", feature_names=["a"]), UsageError, "names its columns itself"),
        (lambda f: edgesoft.train(f, f["kind"][:5]), EdgesoftError, "has 120 values and column 'label' has 5"),
        (lambda f: edgesoft.train(f, f), EdgesoftError, "its labels are 6 columns. Expected one"),
        (lambda f: edgesoft.train(f, f.groupby("kind")), EdgesoftError, "column 'label' has 1"),
        (lambda f: edgesoft.train(f, target="kind", validation="val.csv"), UsageError, "expected data frames"),
        (lambda f: edgesoft.train(f, 3), EdgesoftError, "column 'label' has 1"),
        (lambda f: edgesoft.train(f, target="kind", size=3), UsageError, "--size means nothing for a data frame"),
        (lambda f: edgesoft.train(f, target="kind", test=f.drop(columns="size")), EdgesoftError,
         "the test frame: has no column 'size', which the data frame has"),
        (lambda f: edgesoft.train(f, target="kind", validation=np.zeros((2, 2))), EdgesoftError,
         "the validation frame: expected a data frame"),
        (lambda _: edgesoft.train(pl.LazyFrame({"kind": ["a"]}), target="kind"), EdgesoftError, "this frame is lazy"),
        (lambda _: edgesoft.train({"kind": ["a", "b"]}, target="kind"), EdgesoftError, "has no column besides the labels"),
        (lambda _: edgesoft.train({}, target="kind"), EdgesoftError, "the data frame: has no columns"),
        (lambda f: edgesoft.train(f["kind"], target="kind"), UsageError, "inputs without labels"),
        (lambda f: edgesoft.train(f.assign(size=pd.to_timedelta(f["count"], "h")), target="kind"), EdgesoftError,
         "column 'size' cannot be read .it holds durations, such as"),
        (lambda f: edgesoft.train(f.assign(count=f["count"].astype(object).mask(f.index == 3, "many")), target="kind"), EdgesoftError,
         r"Correct the column, or leave out: ignore_columns=\['count'\]"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(frame, call, kind, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message) as caught:
        call(frame)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_frame_trains_exports_and_is_classified_by_name(frame, tmp_path):
    run = edgesoft.train(frame, target="kind", output=tmp_path / "run", hidden=(8,), epochs=3, threads=1)
    exported = edgesoft.export(run, output=tmp_path, quantize=False)
    classifier = edgesoft.load(exported.model)
    assert classifier.feature_names == run.feature_names == ("size", "count", "colour", "is new", "small")
    features = split(frame)[0]
    answers = classifier(features[["small", "is new", "colour", "count", "size"]])
    np.testing.assert_array_equal(classifier(pl.from_pandas(features)).logits, answers.logits)
    np.testing.assert_array_equal(classifier(features.to_numpy()).logits, answers.logits)
    np.testing.assert_array_equal(classifier(features.iloc[3]).logits, answers.logits[3:4])
    np.testing.assert_array_equal(classifier.logits(features, batch_size=7), answers.logits)
    with pytest.warns(UserWarning, match="columns that the model does not take: 'kind'"):
        assert classifier(frame).labels == answers.labels
    for wrong, message in (
        (features.drop(columns="count"), "model.onnx: the frame has no column 'count'"),
        (features[:0], "model.onnx: the frame has no rows"),
        (np.zeros((2, 99)), "columns by name: size, count, colour, is new, small"),
    ):
        with pytest.raises(EdgesoftError, match=message):
            classifier(wrong)
