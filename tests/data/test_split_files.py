"""Tables whose splits are files of their own, and first lines that are no heading."""

import shutil

import numpy as np
import pytest

import edgesoft
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings_file import stored_data_settings


def table(count: int, start: int = 0, kinds: str = "abc") -> str:
    lines = [
        f"{index % 7 + 0.5},{('red', 'green')[index % 2]},{kinds[index % len(kinds)]}"
        for index in range(start, start + count)
    ]
    return "width,colour,kind\n" + "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path):
    for name, text in (("train.csv", table(30)), ("val.csv", table(9, 3)), ("test.csv", table(6, 5))):
        (tmp_path / name).write_text(text)
    return tmp_path


def load(folder, **options):
    options = {"val": str(folder / "val.csv"), "test": str(folder / "test.csv"), **options}
    return load_dataset(DataSettings(source=str(folder / "train.csv"), target="kind", **options))


def test_every_split_is_its_file(files):
    data = load(files)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 30, "validation": 9, "test": 6}
    assert data.train.inputs[:3, 0].tolist() == [0.5, 1.5, 2.5]
    assert data.validation.inputs[:, 0].tolist() == [index % 7 + 0.5 for index in range(3, 12)]
    assert data.test.targets.tolist() == [index % 3 for index in range(5, 11)]
    assert (data.options.val, data.options.test) == (str(files / "val.csv"), str(files / "test.csv"))


def test_one_of_them_may_be_held_out(files):
    assert {name: len(split) for name, split in load(files, val=None).splits.items()} == {
        "train": 24,
        "validation": 6,
        "test": 6,
    }
    assert {name: len(split) for name, split in load(files, test=None).splits.items()} == {
        "train": 24,
        "validation": 9,
        "test": 6,
    }
    with pytest.raises(UsageError, match="--val-split means nothing for a table with --val"):
        load(files, val_split=0.2)
    assert load(files, val=None, val_split=0.5).validation.targets.size == 15


def test_columns_may_stand_in_any_order_and_file_format(files):
    expected = load(files).digest
    (files / "test.csv").write_text(
        "kind;id;width;colour\n"
        + "".join(f"{'abc'[i % 3]};{i};{i % 7 + 0.5};{('red', 'green')[i % 2]}\n" for i in range(5, 11))
    )
    data = load(files)
    assert data.digest == expected
    assert f"{files / 'test.csv'}: columns that {files / 'train.csv'} has not are not used: id" in data.warnings
    (files / "val.csv").write_text(
        "".join(
            f'{{"colour": "{("red", "green")[i % 2]}", "kind": "{"abc"[i % 3]}", "width": {i % 7 + 0.5}}}\n'
            for i in range(3, 12)
        )
    )
    assert load(files).digest == expected


def test_vocabulary_and_ranges_come_from_the_training_table_alone(files):
    (files / "test.csv").write_text("width,colour,kind\n900,mauve,a\n1,red,b\n")
    data = load(files)
    assert data.input.columns[1].vocabulary == ("green", "red")
    assert data.input.columns[0].range == (0.5, 6.5)
    assert data.test.inputs.tolist() == [[900, 0, 0], [1, 0, 1]]
    assert any("1 of 2 test rows hold a value in column 'colour'" in note for note in data.warnings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width,kind\n1,a\n", r"test\.csv: has no column 'colour', which .*train\.csv has"),
        ("width,colour\n1,red\n", r"test\.csv: has no column 'kind'"),
        ("width,colour,kind\n1,red,d\n1,red,a\n", r"test\.csv: no row of .*train\.csv has the label 'd'"),
        ("width,colour,kind\n", r"test\.csv: has a heading but no rows"),
        ("", r"test\.csv: the file is empty"),
        ("width,colour,kind\n1,red\n", r"line 2 of .*test\.csv: 2 cells"),
        (
            "width,colour,kind\n1,red,a\nwide,red,a\n",
            r"column 'width' holds numbers, but 'wide' in line 3 of .*test\.csv",
        ),
    ],
)
def test_complaints_name_the_file(files, text, message):
    (files / "test.csv").write_text(text)
    with pytest.raises(EdgesoftError, match=message) as caught:
        load(files)
    assert "\n" not in str(caught.value)


def test_no_table_is_two_splits(files):
    (files / "link.csv").symlink_to(files / "train.csv")
    with pytest.raises(UsageError, match="--test names the table of the training, which would say nothing new"):
        load(files, test=str(files / "link.csv"))
    with pytest.raises(UsageError, match="--test names the table of --val"):
        load(files, test=str(files / "val.csv"))


@pytest.mark.parametrize("source", ["mnist", "pictures"])
def test_other_sources_take_none(tmp_path, source):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UsageError, match="--test means nothing for"):
        load_dataset(DataSettings(source=source if source == "mnist" else str(tmp_path / source), test="x.csv"))
    with pytest.raises(UsageError, match="--val means nothing for arrays"):
        edgesoft.train(np.eye(4), [0, 1, 0, 1], validation="val.csv")


def test_a_run_finds_its_tables_again_also_when_they_have_moved_together(files):
    run = edgesoft.train(
        files / "train.csv", target="kind", validation=files / "val.csv", test=str(files / "test.csv"),
        hidden=(4,), epochs=1, threads=1, output=files / "run",
    )  # fmt: skip
    folder = RunFolder(files / "run")
    assert load_dataset(stored_data_settings(folder)).digest == run.dataset.digest
    (files / "moved").mkdir()
    for name in ("train.csv", "val.csv"):
        shutil.move(files / name, files / "moved" / name)
    found = stored_data_settings(folder, str(files / "moved" / "train.csv"))
    assert (found.val, found.test) == (str(files / "moved" / "val.csv"), str(files / "test.csv"))
    assert load_dataset(found).digest == run.dataset.digest
    config = files / "run" / "config.json"
    config.write_text(config.read_text().replace(f'"{files / "val.csv"}"', '"//elsewhere/val.csv"'))
    with pytest.raises(EdgesoftError, match="its data are on another machine"):
        stored_data_settings(folder)


FLOWERS = "5.1,3.5,red,setosa\n4.9,3.0,red,setosa\n7.0,3.2,green,versicolor\n6.4,3.1,red,versicolor\n" * 5


@pytest.mark.parametrize(
    ("content", "target"),
    [
        (FLOWERS, "setosa"),
        (FLOWERS.replace("setosa", "0").replace("versicolor", "1"), "0"),
        ("p,x,red\ne,y,green\np,z,red\n" * 5 + "e,x,red\n" * 9, "p"),
    ],
)
def test_a_first_row_is_not_lost_as_a_heading(tmp_path, content, target):
    path = tmp_path / "flowers.csv"
    path.write_text(content)
    with pytest.raises(EdgesoftError, match=r"the first line looks like a row.* in a line above it"):
        load_dataset(DataSettings(source=str(path), target=target))


def test_headings_that_fail_or_look_odd_ask_whether_they_are_rows(tmp_path):
    path = tmp_path / "flowers.csv"
    path.write_text(FLOWERS)
    with pytest.raises(
        UsageError, match=r"has no column 'kind'. There are 5.1, 3.5, red, setosa. Or is the first line a row \(5.1\)"
    ):
        load_dataset(DataSettings(source=str(path), target="kind"))
    path.write_text("1.5,1.5,a\n" * 9)
    with pytest.raises(EdgesoftError, match=r"two columns are named '1.5'. Rename it. Or is the first line a row"):
        load_dataset(DataSettings(source=str(path), target="a"))
    path.write_text("1990,2000,2010,kind\n" + "1,2,3,a\n1,5,4,b\n" * 9)
    data = load_dataset(DataSettings(source=str(path), target="kind"))
    assert any("the columns are named 1990, 2000, 2010: if the first line is a row" in note for note in data.warnings)


@pytest.mark.parametrize(
    ("heading", "target"),
    [("0,1,2,3", "3"), ("1,2,3,4", "1"), ("length,caps,links,spam", "spam"), ("2019,2020,2021,kind", "kind")],
)
def test_honest_headings_are_taken_without_a_word(tmp_path, heading, target):
    rows = [f"{i % 3},{i % 5},{i % 4},{i % 2}" for i in range(40)]
    if target == "spam":
        rows = [row[:-1] + ("ham", "spam")[int(row[-1])] for row in rows]
    (tmp_path / "x.csv").write_text("\n".join([heading, *rows]) + "\n")
    data = load_dataset(DataSettings(source=str(tmp_path / "x.csv"), target=target))
    assert not any("first line" in note for note in data.warnings)
