import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

import edgesoft
from edgesoft.data.labelled import Wanted, from_arrays, read_labelled
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.pictures import read_picture

HEAD = "width,colour,length,kind"


def write_rows(path: Path, count: int = 90, seed: int = 1) -> Path:
    generator = np.random.default_rng(seed)
    rows = [
        f"{generator.normal(40 * (index % 3), 6):.2f},{['red', 'green'][index % 2]},{generator.normal():.4f},{index % 3 + 1}"
        for index in range(count)
    ]
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def plants(tmp_path_factory) -> Path:
    """A model of a table whose classes are called 1, 2 and 3."""
    folder = tmp_path_factory.mktemp("plants")
    run = edgesoft.train(
        write_rows(folder / "plants.csv"),
        target="kind",
        hidden=(8,),
        epochs=30,
        lr=0.02,
        threads=1,
        output=folder / "run",
    )
    edgesoft.export(run, quantize=False, output=folder)
    return folder / "plants.onnx"


@pytest.fixture(scope="module")
def icons(tmp_path_factory) -> Path:
    """A model of small colour pictures, red and blue."""
    folder = tmp_path_factory.mktemp("icons")
    write_icons(folder / "icons", 12)
    run = edgesoft.train(
        folder / "icons", colour=True, size=8, hidden=(8,), epochs=20, threads=1, output=folder / "run", augment=False
    )
    edgesoft.export(run, quantize=False, output=folder)
    return folder / "icons.onnx"


def write_icons(folder: Path, count: int) -> None:
    generator = np.random.default_rng(0)
    for label, channel in (("red", 0), ("blue", 2)):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 80, (12, 10, 3), dtype=np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / label / f"{number}.png")


def labels_of(source, model, **wanted) -> list[str | None]:
    data = read_labelled(str(source), edgesoft.load(model).card, Wanted(**wanted))
    return [example.label for example in data.examples()]


def test_a_folder_is_read_as_in_training(icons, tmp_path):
    write_icons(tmp_path / "more", 5)
    (tmp_path / "more" / "red" / "deep").mkdir()
    shutil.move(tmp_path / "more" / "red" / "0.png", tmp_path / "more" / "red" / "deep" / "0.png")
    (tmp_path / "more" / ".hidden").mkdir()
    (tmp_path / "more" / "loose.txt").touch()
    card = edgesoft.load(icons).card
    data = read_labelled(str(tmp_path / "more"), card)
    assert [example.label for example in data.examples()] == ["blue"] * 5 + ["red"] * 5
    assert data.total == 10 and data.split is None
    assert data.reading == "pictures, scaled as a whole, as infer reads them"
    assert "belong to no class are not scored: 1" in data.notes[0]
    result = edgesoft.evaluate(icons, tmp_path / "more")
    assert result.accuracy == 1
    example = next(data.examples())
    np.testing.assert_array_equal(
        card.input.read(example.source).values, read_picture(example.source, card.input).pixels
    )


def test_splits_of_a_folder(icons, tmp_path):
    for name, count in (("train", 4), ("val", 3), ("test", 2)):
        write_icons(tmp_path / name, count)
    for wanted, count in ((None, 4), ("test", 4), ("validation", 6), ("val", 6), ("train", 8)):
        assert len(labels_of(tmp_path, icons, split=wanted)) == count
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(UsageError, match="has no test split. Choose one: --split train or validation"):
        labels_of(tmp_path, icons)
    with pytest.raises(UsageError, match="is not divided into splits. Leave --split out"):
        labels_of(tmp_path / "val", icons, split="test")
    with pytest.raises(UsageError, match="split 'odd': expected train, validation or test"):
        labels_of(tmp_path, icons, split="odd")
    shutil.rmtree(tmp_path / "train")
    assert len(labels_of(tmp_path, icons)) == 6  # the only one


def test_a_class_may_be_called_test(icons, tmp_path):
    write_icons(tmp_path, 2)
    for old, new in (("red", "test"), ("blue", "train")):
        (tmp_path / old).rename(tmp_path / new)
    assert labels_of(tmp_path, icons) == ["test"] * 2 + ["train"] * 2
    with pytest.raises(EdgesoftError, match="does not know: 'test' .2., 'train' .2.. It knows 'blue', 'red'"):
        edgesoft.evaluate(icons, tmp_path)


def test_folders_that_hold_nothing(icons, tmp_path):
    with pytest.raises(EdgesoftError, match="holds no folders of pictures. Expected one subfolder a class.*blue, red"):
        labels_of(tmp_path, icons)
    (tmp_path / "red").mkdir()
    with pytest.raises(EdgesoftError, match="no example"):
        edgesoft.evaluate(icons, tmp_path)


def test_rows_with_their_labels(plants, tmp_path):
    table = write_rows(tmp_path / "more.csv", 60, seed=2)
    result = edgesoft.evaluate(plants, table)
    assert result.accuracy > 0.9 and result.examples == 60
    assert edgesoft.load(plants).card.training.target == "kind"
    # Another order, more columns, and labels as pandas writes integers.
    lines = [line.split(",") for line in table.read_text().splitlines()]
    turned = [["kind", "number", *lines[0][2::-1]], *([f"{row[3]}.0", "9", *row[2::-1]] for row in lines[1:])]
    (tmp_path / "turned.csv").write_text("\n".join(map(",".join, turned)))
    again = edgesoft.evaluate(plants, tmp_path / "turned.csv")
    np.testing.assert_array_equal(again.predicted, result.predicted)
    np.testing.assert_array_equal(again.targets, result.targets)
    assert again.mistakes == () or again.mistakes[0].path.startswith(str(tmp_path / "turned.csv:"))
    assert edgesoft.evaluate(plants, table, target="kind").accuracy == result.accuracy


def test_bad_rows_cost_themselves(plants, tmp_path):
    table = tmp_path / "odd.csv"
    table.write_text(f"{HEAD}\n1,red,0,1\n1,red,0,\n1,red\nx,red,0,1\n,red,0,2\n80,mauve,0,3\n1,red,0,nan\n")
    result = edgesoft.evaluate(plants, table)
    assert (result.examples, result.errors) == (2, 5)
    errors = {item.path.removeprefix(f"{table}:"): item.error for item in result.unreadable}
    assert list(errors) == ["3", "4", "5", "6", "8"]
    assert errors["3"] == "no label in column 'kind' (''): fill it in or leave the row out"
    assert errors["4"] == "2 cells where the first line has 4"


@pytest.mark.parametrize(
    ("heading", "wanted", "message"),
    [
        (
            "width,colour,length",
            {},
            "which column holds the labels. Say --target NAME. The model takes every column that there is",
        ),
        ("width,colour,length,a,b", {}, "Say --target NAME. There are a, b"),
        ("width,colour,length,knid", {"target": "kind"}, "has no column 'kind'. Did you mean 'knid'"),
        (HEAD, {"target": "width"}, "--target width: the model takes this column as a feature"),
        ("width,length,kind", {}, "has no column 'colour'. Expected a heading with width, colour, length"),
        ("4,red,2,1", {}, "has no column 'width'"),
        ("kind,kind,width,colour,length", {}, "two columns are named 'kind'"),
        ("", {}, "the file is empty"),
        (HEAD, {"split": "test"}, "is not divided into splits"),
    ],
)
def test_tables_that_cannot_be_scored(plants, tmp_path, heading, wanted, message):
    table = tmp_path / "t.csv"
    table.write_text(f"{heading}\n" if heading else "")
    with pytest.raises(EdgesoftError, match=message):
        labels_of(table, plants, **wanted)


def test_parquet_and_npz_give_what_csv_gives(plants, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install pyarrow")
    from pyarrow import csv, parquet

    table = write_rows(tmp_path / "t.csv", 60, seed=3)
    expected = edgesoft.evaluate(plants, table)
    read = csv.read_csv(table)
    nested = pyarrow.array([[1]] * 60)  # which no model takes, and nobody reads
    parquet.write_table(read.append_column("nested", nested), tmp_path / "t.parquet")
    result = edgesoft.evaluate(plants, tmp_path / "t.parquet")
    np.testing.assert_array_equal(result.predicted, expected.predicted)
    np.testing.assert_array_equal(result.confidences, expected.confidences)


def test_frames_give_what_csv_gives(plants, icons, tmp_path):
    path = write_rows(tmp_path / "new.csv", 60, seed=2)
    read = {"pandas": pd.read_csv(path), "polars": pl.read_csv(path)}
    expected = edgesoft.evaluate(plants, path)
    for name, frame in read.items():
        rows, kinds = frame.drop(columns=["kind"]) if name == "pandas" else frame.drop("kind"), frame["kind"]
        for given in ((frame,), (rows, kinds), (rows, list(kinds)), (rows, np.array(kinds))):
            found = edgesoft.evaluate(plants, *given)
            assert (found.accuracy, found.log_loss) == (expected.accuracy, expected.log_loss)
            np.testing.assert_array_equal(found.targets, expected.targets)
            np.testing.assert_array_equal(found.predicted, expected.predicted)
    frame, rows = read["pandas"], read["pandas"].drop(columns=["kind"])
    for given, options, message in (
        ((rows,), {}, "which column holds the labels"),
        ((rows, frame["kind"][:5]), {}, "'width' has 60 values and column 'label' has 5"),
        ((frame.drop(columns=["width"]),), {}, "has no column 'width'"),
        ((frame, frame["kind"]), {"target": "kind"}, "Leave one of them out"),
        ((frame,), {"split": "test"}, "a data frame: split means nothing"),
        ((frame,), {"target": "nothing"}, "has no column 'nothing'"),
    ):
        with pytest.raises(EdgesoftError, match=message):
            edgesoft.evaluate(plants, *given, **options)
    with pytest.raises(EdgesoftError, match="holds rows, but the model 'icons' takes pictures"):
        edgesoft.evaluate(icons, frame)


def test_rows_as_arrays_go_through_the_same_encoder(tmp_path, rng):
    x, y = rng.normal(size=(90, 3)), np.arange(90) % 2
    x[:, 0] += 6 * y
    run = edgesoft.train(x, y, labels=["no", "yes"], feature_names=list("abc"), hidden=(4,), epochs=20, lr=0.05,
                         threads=1, output=tmp_path / "run")  # fmt: skip
    model = edgesoft.export(run, quantize=False, output=tmp_path).paths[0]
    prediction = edgesoft.load(model)(x.astype(np.float32))
    result = edgesoft.evaluate(model, x, y, labels=["no", "yes"])
    np.testing.assert_array_equal(result.predicted, prediction.indices)
    words = np.array(["no", "yes"])[y]
    assert edgesoft.evaluate(model, x.tolist(), words.tolist()).accuracy == result.accuracy
    np.savez(tmp_path / "t.npz", x_test=x[:, ::-1], y_test=words, feature_names=list("cba"))
    again = edgesoft.evaluate(model, tmp_path / "t.npz")
    np.testing.assert_array_equal(again.predicted, result.predicted)
    assert (again.split, again.examples) == ("test", 90)
    x[3, 1], x[4, 2] = np.nan, 1e9
    odd = edgesoft.evaluate(model, x, words)
    assert (odd.errors, odd.unreadable[0].path) == (1, "arrays 3")
    assert odd.rejected[4]  # far outside, as infer says
    for wrong, message in (
        ((x[:, :2], words), "2 features, expected 3: a, b, c"),
        ((x, words[:5]), "90 inputs and 5 labels"),
        ((x, y + 1.5), "a quantity is no class"),
        ((x, np.array(["no", "maybe"])[y]), "does not know: 'maybe' .45."),
        ((x, None), "inputs without labels"),
    ):
        with pytest.raises(EdgesoftError, match=message):
            edgesoft.evaluate(model, *wrong)


def test_pictures_as_arrays_are_inputs_already(exported, mnist, tmp_path):
    np.savez(tmp_path / "d.npz", x=mnist.test.inputs[:200], y=mnist.test.targets[:200])
    result = edgesoft.evaluate(exported / "mnist.onnx", tmp_path / "d.npz")
    np.testing.assert_array_equal(
        result.predicted, edgesoft.load(exported / "mnist.onnx")(mnist.test.inputs[:200]).indices
    )
    assert result.split is None and result.reading == "arrays, taken as they are, as in training"
    for arrays, message in (
        (
            {"x": mnist.test.inputs[:5, ::2], "y": range(5)},
            r"the inputs are uint8 \[14, 28\], but the model 'mnist' takes uint8 \[28, 28\]",
        ),
        ({"x": mnist.test.inputs[:5] / 255, "y": range(5)}, "the inputs are float64"),
        ({"a": range(3)}, "has the arrays a. Expected x and y"),
        ({"x": mnist.test.inputs[:2], "y": [0, 3], "class_names": ["0", "1"]}, "labels must be integers from 0 to 1"),
    ):
        np.savez(tmp_path / "w.npz", **arrays)
        with pytest.raises(EdgesoftError, match=message):
            edgesoft.evaluate(exported / "mnist.onnx", tmp_path / "w.npz")


def test_a_table_may_list_pictures(icons, tmp_path):
    write_icons(tmp_path / "p", 3)
    rows = [f"p/{label}/{number}.png,x,{label}" for label in ("red", "blue") for number in range(3)]
    (tmp_path / "list.csv").write_text(
        "\n".join(["path,source,label", *rows, "p/none.png,x,red", "p/red/1.png,x,", ",x,red"])
    )
    result = edgesoft.evaluate(icons, tmp_path / "list.csv")
    assert (result.examples, result.errors, result.accuracy) == (6, 3, 1)
    named = [str(tmp_path / name) for name in ("p/none.png", "p/red/1.png", "list.csv:10")]
    assert [item.path for item in result.unreadable] == named
    assert "no path in column 'path'" in result.unreadable[-1].error
    (tmp_path / "list.csv").write_text("a,label\np/red/1.png,red\n")
    with pytest.raises(EdgesoftError, match="no column of paths.*expected a column called file, path, filename"):
        edgesoft.evaluate(icons, tmp_path / "list.csv")


def test_what_the_model_does_not_take(plants, icons, tmp_path):
    for source, model, message in (
        ("mnist", plants, "mnist: holds pictures, but the model 'plants' takes rows"),
        (tmp_path, plants, "is a folder, but the model 'plants' takes rows"),
        ("mnist", icons, r"but the model 'icons' takes uint8 \[8, 8, 3\]. Name a folder of pictures"),
        ("", icons, "no data: name a known set"),
        ("fashion-mist", icons, "no such folder, file or known set.*Did you mean fashion-mnist"),
        ("missing.csv", plants, "missing.csv: no such file"),
        ("missing.csv", icons, "missing.csv: no such file"),
        ("fashion-mnist", icons, "no usable files"),
    ):
        with pytest.raises(EdgesoftError, match=message):
            edgesoft.evaluate(model, source, root=str(tmp_path / "none"))
    with pytest.raises(UsageError, match="--target names the column of a table"):
        edgesoft.evaluate(icons, "mnist", target="x")
    with pytest.raises(UsageError, match="mnist: y means nothing for such data"):
        edgesoft.evaluate(icons, "mnist", [1])
    with pytest.raises(UsageError, match="arrays: split means nothing"):
        edgesoft.evaluate(icons, np.zeros((1, 8, 8, 3), np.uint8), ["red"], split="test")
    for wanted in ({"split": 3}, {"target": 3}, {"target": ""}):
        with pytest.raises(UsageError, match="split 3: expected train|target .*: expected the name of a column"):
            edgesoft.evaluate(plants, tmp_path / "t.csv", **wanted)
    with pytest.raises(UsageError, match="expected the path of a model file"):
        edgesoft.evaluate(7, "mnist")


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev/stdin here")
def test_rows_may_come_through_a_pipe_once(plants, tmp_path):
    rows = write_rows(tmp_path / "t.csv", 60, seed=2).read_bytes()
    script = (
        "import edgesoft, sys; m = sys.argv[1]; "
        "print(edgesoft.evaluate(m, '/dev/stdin', against=m if sys.argv[2:] else None).examples)"
    )
    once, twice = (
        subprocess.run([sys.executable, "-c", script, str(plants), *more], input=rows, capture_output=True, timeout=60)
        for more in ([], ["x"])
    )
    assert once.stdout.strip() == b"60", once.stderr
    assert twice.returncode == 1 and b"/dev/stdin: " in twice.stderr.splitlines()[-1]


def test_a_run_brings_what_it_held_out(plants, icons, tmp_path):
    for model in (plants, icons):
        result = edgesoft.evaluate(model, model.parent / "run")
        tests = result.card.metrics["test"]
        assert (result.split, result.examples, result.accuracy) == ("test", tests["examples"], tests["accuracy"])
        assert result.warnings == ()
    validation = edgesoft.evaluate(plants, plants.parent / "run", split="val")
    assert "flattered" in validation.warnings[0]
    noted = []
    edgesoft.evaluate(icons, load_icons(tmp_path), on_start=lambda _, data: noted.extend(data.notes))
    assert noted == ["the model was made from other data: what is held out here may have been learned there"]
    with pytest.raises(EdgesoftError, match="icons: has pictures, but the model 'plants' takes width"):
        edgesoft.evaluate(plants, icons.parent / "run")
    with pytest.raises(UsageError, match="plants: target means nothing"):
        edgesoft.evaluate(plants, plants.parent / "run", target="kind")


def load_icons(folder: Path):
    write_icons(folder / "other", 6)
    return load_dataset(DataSettings(source=str(folder / "other"), colour=True, size=(8, 8)))


def test_a_classifier_may_be_given(plants, tmp_path):
    table = write_rows(tmp_path / "t.csv", 30)
    classifier = edgesoft.load(plants)
    assert edgesoft.evaluate(classifier, table, against=plants).against.paired.won == 0
    data = from_arrays(np.zeros((1, 3)), ["1"], classifier.card)
    assert [example.label for example in data.examples()] == ["1"]
