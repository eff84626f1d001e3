"""Tables as training data: what is read, and every way in which a table can be wrong."""

import os
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgesoft.data import table_files, tables
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.tables import lines, text


def write(folder: Path, content: str | bytes, name: str = "plants.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def load(path: Path, target: str | None = "kind", **options):
    return load_dataset(DataSettings(source=str(path), target=target, **options))


def rows(count: int = 30, **replaced: str) -> str:
    """A table of three classes; `replaced` maps "line_column" to what stands there instead."""
    lines = [["width", "colour", "kind"]]
    lines += [[str(index % 7 + 0.5), "green" if index % 2 else "red", "abc"[index % 3]] for index in range(count)]
    for place, cell in replaced.items():
        line, column = place.removeprefix("at_").split("_")
        lines[int(line) - 1][int(column)] = cell
    return "\n".join(map(",".join, lines)) + "\n"


def test_a_table_is_read_divided_and_described(tmp_path):
    data = load(write(tmp_path, rows()))
    assert data.name == "plants"
    assert data.labels == ("a", "b", "c")
    assert data.input.features == ("width", "colour=green", "colour=red")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 21, "validation": 3, "test": 6}
    for split in data.splits.values():
        assert split.inputs.dtype == np.float32
        assert split.inputs.flags.c_contiguous
        assert set(split.targets.tolist()) == {0, 1, 2}


def test_the_seed_fixes_the_splits(tmp_path):
    path = write(tmp_path, rows(60))
    assert load(path).digest == load(path).digest
    assert load(path).digest != load(path, split_seed=1).digest


def test_scaling_is_measured_on_the_training_split_and_leaves_categories_alone(tmp_path):
    data = load(write(tmp_path, rows(90)))
    scaled = data.first_layers[0].apply(data.train.inputs)
    first, median, third = np.quantile(scaled[:, 0], (0.25, 0.5, 0.75))
    assert median == pytest.approx(0, abs=1e-6)
    assert third - first == pytest.approx(1)
    assert set(np.unique(scaled[:, 1:])) == {0, 1}


def test_numbers_as_labels_keep_their_order(tmp_path):
    text = "x,kind\n" + "".join(f"{index * 0.1},{(10, 9, 2)[index % 3]}\n" for index in range(30))
    assert load(write(tmp_path, text)).labels == ("2", "9", "10")


def test_tabs_semicolons_and_a_byte_order_mark(tmp_path):
    expected = load(write(tmp_path, rows())).digest
    assert load(write(tmp_path, rows().replace(",", "\t"), "plants.tsv")).digest == expected
    assert load(write(tmp_path, "\ufeff" + rows().replace(",", ";"))).digest == expected


def test_columns_may_be_left_out(tmp_path):
    assert load(write(tmp_path, rows()), ignore_columns=("colour",)).input.features == ("width",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("width,kind\n", "has a heading but no rows"),
        ("kind\na\nb\n", "has no column besides the labels"),
        (rows(at_1_1="width"), "two columns are named 'width'"),
        (rows(at_1_1=""), "column 2 has no name"),
        (rows(at_5_0="inf"), r"1 of 30 rows hold an infinite or too large number in column 'width' \(first: line 5\)"),
        (rows(at_5_0="1e39"), "infinite or too large number"),
        (rows(at_5_0="-1e31"), "infinite or too large number"),  # float32 holds it, but not what a network makes of it
        (rows(at_5_0="wide"), "column 'width' holds numbers, but 'wide' in line 5"),
        (
            rows(**{f"at_{line}_2": "" for line in range(5, 30)}),
            r"25 of 30 rows have no label in column 'kind' \(first: line 5\)",
        ),
        (rows().replace("red", "red,1"), "line 2: 4 cells where the first line has 3"),
        (rows().encode().replace(b"green", b"gr\xfcn"), "line 3: not UTF-8: save the file as UTF-8"),
        (rows().encode("utf-16-le"), "a binary file, or UTF-16 without its mark: save it as UTF-8"),
        (rows().replace(",b\n", ",a\n").replace(",c\n", ",a\n"), r"holds 1 class \('a'\)"),
        (
            "x,kind\n" + "".join(f"{i},{i / 7}\n" for i in range(40)),
            "40 different numbers in 40 rows. That is a quantity",
        ),
        ("x,kind\n" + "".join(f"{i},{i}\n" for i in range(40)), "That is a quantity, not a class"),
        (
            "x,id,kind\n" + "".join(f"{i},name{i},{'ab'[i % 2]}\n" for i in range(40)),
            "text column 'id' holds 40 different values in 40 rows, such as 'name0'.*--ignore-columns id",
        ),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(EdgesoftError, match=message) as caught:
        load(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_the_label_column_must_be_named_and_exist(tmp_path):
    path = write(tmp_path, rows())
    with pytest.raises(UsageError, match=r"Say --target NAME. There are width, colour, kind"):
        load(path, None)
    with pytest.raises(UsageError, match=r"has no column 'knid'. Did you mean 'kind'"):
        load(path, "knid")
    with pytest.raises(UsageError, match=r"has no column 'price'. There are"):
        load(path, ignore_columns=("price",))
    with pytest.raises(UsageError, match="--size means nothing for a table"):
        load(path, size=(8, 8))


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path):
    path = write(tmp_path, rows())
    os.truncate(path, 10 * 10**9)  # sparse: takes no space
    with pytest.raises(EdgesoftError, match=r"10\.0 GB is more than a table may have \(2\.1 GB\)"):
        load(path)


def test_more_numbers_than_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MEMORY_LIMIT", 100)
    with pytest.raises(EdgesoftError, match=r"its 30 rows would take more than"):
        load(write(tmp_path, rows()))


def test_a_class_with_one_example_is_trained_on_and_reported(tmp_path):
    data = load(write(tmp_path, rows(at_5_2="rare")))
    assert data.labels == ("a", "b", "c", "rare")
    assert (data.train.targets == 3).sum() == 1
    assert "the test split has no example of 'rare'" in data.warnings
    assert "the validation split has no example of 'rare'" in data.warnings
    assert any("classes differ in size" in warning and "'rare' has 1" in warning for warning in data.warnings)


def test_unseen_categories_are_counted(tmp_path):
    replaced = {f"at_{line}_1": f"shade{line}" for line in range(3, 30, 3)}
    data = load(write(tmp_path, rows(**replaced)))
    known = data.input.columns[1].vocabulary
    unseen = [warning for warning in data.warnings if "that no training row has" in warning]
    assert len(known) < 2 + 9
    assert "rows hold a value in column 'colour'" in unseen[0]
    nothing_known = sum(int((split.inputs[:, 1:].sum(axis=1) == 0).sum()) for split in data.splits.values())
    assert nothing_known == sum(int(warning.split()[0]) for warning in unseen)


def test_rows_on_both_sides_are_counted_where_chance_does_not_explain_them(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 4))
    lines = [",".join([*map(str, values[row % 50]), "ab"[row % 2]]) for row in range(100)]
    data = load(write(tmp_path, "p,q,r,s,kind\n" + "\n".join(lines) + "\n"))
    known = {row.tobytes() for row in data.train.inputs}
    doubles = sum(row.tobytes() in known for row in data.test.inputs)
    assert doubles
    assert (
        f"{doubles} of 20 examples of the test split stand in the training split too: its accuracy flatters"
        in data.warnings
    )
    assert not any("stand in the training split" in warning for warning in load(write(tmp_path, rows(42))).warnings)


def test_constant_and_coarse_features_are_reported(tmp_path):
    lines = [f"{i % 5},7,{1.6e9 + 300 * i},{'ab'[i % 2]}" for i in range(40)]
    data = load(write(tmp_path, "x,same,time,kind\n" + "\n".join(lines) + "\n"))
    assert any("never change" in warning and warning.endswith(": same") for warning in data.warnings)
    assert any("float32 cannot tell apart well: time." in warning for warning in data.warnings)
    assert data.first_layers[0].factor[1] == 0


def test_parquet_needs_pyarrow(tmp_path):
    path = write(tmp_path, b"PAR1", "plants.parquet")
    expected = "cannot be read as Parquet" if find_spec("pyarrow") else "reading Parquet needs pyarrow"
    with pytest.raises(EdgesoftError, match=expected):
        load(path)


def test_parquet_reads_like_csv(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")
    from pyarrow import csv, parquet

    expected = load(write(tmp_path, rows()))
    parquet.write_table(csv.read_csv(tmp_path / "plants.csv"), tmp_path / "plants.parquet")
    assert load(tmp_path / "plants.parquet").digest == expected.digest


def test_an_unknown_source_names_the_known_ones(tmp_path):
    with pytest.raises(EdgesoftError, match=r"no such data set.*Did you mean fashion-mnist"):
        load_dataset(DataSettings(source="fashion-mnits"))
    with pytest.raises(EdgesoftError, match=r"none\.csv: no such file"):
        load(tmp_path / "none.csv")


def test_all_complaints_about_rows_are_told_at_once_and_counted(tmp_path):
    lines = rows(200).splitlines()
    for place in range(20, 100, 10):
        lines[place] = '1,"red,a' if place % 20 else "1,2"
    with pytest.raises(EdgesoftError) as caught:
        load(write(tmp_path, "\n".join(lines)))
    message = str(caught.value)
    assert "\n" not in message
    assert (
        "8 of 200 rows cannot be read: line 21: 2 cells where the first line has 3; line 31: a quote is opened"
        in message
    )
    assert "; and 3 more. Correct or remove" in message
    assert "line 71" not in message


def test_all_complaints_about_columns_are_told_at_once(tmp_path):
    text = "x,y,z,kind\n" + "".join(
        f"{i if i else 'one'},{i if i > 1 else 'two'},{i if i > 2 else '1e39'},{'ab'[i % 2]}\n" for i in range(40)
    )
    with pytest.raises(EdgesoftError) as caught:
        load(write(tmp_path, text))
    for part in (
        "column 'x' holds numbers, but 'one' in line 2 (1 such rows)",
        "column 'y' holds numbers, but 'two' in line 2 (2 such rows)",
        "3 of 40 rows hold an infinite or too large number in column 'z' (first: line 2)",
        "--ignore-columns x,y,z",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("missing", ["", "?", "nan", "NA"])
@pytest.mark.parametrize("kinds", ["abc", "123"])
def test_a_row_without_a_label_is_left_out_and_said(tmp_path, missing, kinds):
    text = "x,kind\n" + "".join(f"{i * 0.1},{missing if i == 7 else kinds[i % 3]}\n" for i in range(60))
    data = load(write(tmp_path, text))
    assert data.labels == tuple(kinds)
    assert sum(map(len, data.splits.values())) == 59
    assert not any(np.float32(0.7) in split.inputs for split in data.splits.values())
    (said,) = [warning for warning in data.warnings if "have no label" in warning]
    assert said.startswith("1 of 60 rows have no label in column 'kind' (first: line 9")
    assert (repr(missing) in said) == (missing != "")


def test_none_is_a_class_among_words(tmp_path):
    text = "x,kind\n" + "".join(f"{i * 0.1},{('none', 'some')[i % 2]}\n" for i in range(60))
    assert load(write(tmp_path, text)).labels == ("none", "some")


@pytest.mark.parametrize("label", ["inf", "1e999"])
def test_an_infinite_label_is_none(tmp_path, label):
    text = "x,kind\n" + "".join(f"{i * 0.1},{label if i == 7 else i % 3}\n" for i in range(60))
    with pytest.raises(EdgesoftError, match="infinite or too large number in column 'kind'"):
        load(write(tmp_path, text))


def test_underscores_and_long_numbers_are_words(tmp_path):
    with pytest.raises(EdgesoftError, match="column 'width' holds numbers, but '1_000' in line 5") as caught:
        load(write(tmp_path, rows(at_5_0="1_000", at_6_0="9" * 5000)))
    assert len(str(caught.value)) < 400


def test_the_card_has_the_ranges_of_the_training_split(tmp_path):
    data = load(write(tmp_path, rows(90)))
    assert data.input.columns[0].range == (0.5, 6.5)
    assert data.input.columns[1].range is None
    assert data.input.rows == len(data.train)


def test_more_columns_than_a_model_takes_are_refused_at_once(tmp_path):
    names = [f"x{place}" for place in range(40_000)]
    with pytest.raises(EdgesoftError, match=r"has 40,000 columns. Expected at most 32,768"):
        load(write(tmp_path, ",".join([*names, "kind"]) + "\n" + "1," * 40_000 + "a\n"))


def test_twenty_thousand_columns_take_time_and_memory_in_proportion(tmp_path):
    names = ",".join([f"x{place}" for place in range(20_000)])
    lines = [",".join([str(line + place % 7) for place in range(20_000)]) + f",{'ab'[line % 2]}" for line in range(12)]
    path = write(tmp_path, f"{names},kind\n" + "\n".join(lines) + "\n")
    started = time.process_time()
    data = load(path)
    assert data.train.inputs.shape[1] == 20_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize("kept", [0, 40, 10**6])
def test_a_table_too_large_to_keep_is_read_again(tmp_path, monkeypatch, kept):
    content = rows(60, at_3_0="", at_9_1="blue").replace("\n", "\n\n")
    expected = load(write(tmp_path, content))
    monkeypatch.setattr(text, "CELLS_AT_ONCE", 30)
    monkeypatch.setattr(table_files, "KEPT_CELLS", kept)
    opened, opens = [], lines.open_to_read
    monkeypatch.setattr(lines, "open_to_read", lambda path, what: opened.append(path) or opens(path, what))
    found = load(write(tmp_path, content))
    assert found.digest == expected.digest
    assert found.warnings == expected.warnings
    assert len(opened) == (6 if kept < 60 * 3 else 4)  # a look at the heading, one at the first rows, and the passes


def test_a_folder_named_like_a_table_is_no_table(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(EdgesoftError, match="expected a file, but this is a folder"):
        load(tmp_path / "x.csv")
