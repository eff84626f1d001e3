"""Columns as people write them: gaps, dates, truth values, numbers with signs, codes, indexes; and all complaints in one message."""

import csv
import json
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.model.inputs import TableInput
from edgesoft.settings import read_settings
from edgesoft.tables.rows import RowFile
from edgesoft.tables.values import DateForm, NumberForm, TruthForm
from tests.conftest import TINY


def table(folder: Path, rows: int = 60, **columns) -> Path:
    """A table of a number, of `columns` (a list that is repeated, or what makes a cell of the row's number), and of two classes."""
    path = folder / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["width", *columns, "kind"])
        for row in range(rows):
            cells = [made(row) if callable(made) else made[row % len(made)] for made in columns.values()]
            writer.writerow([f"{row * 0.37 % 5:.2f}", *cells, "ab"[row % 2]])
    return path


def load(path: Path, target: str = "kind", **options):
    return load_dataset(DataSettings(source=str(path), target=target, **options))


def form(folder: Path, *cells: str):
    """How a column of these cells is read."""
    column = load(table(folder, x=list(cells))).input.columns[1]
    return column.form if column.vocabulary is None else column.vocabulary


def read_again(path: Path, data) -> None:
    """What a device makes of the file, by the card alone, is what training learned from: to the bit."""
    spec = TableInput.from_card(json.loads(json.dumps(data.input.to_card())))
    assert spec == data.input
    on_device = {spec.read(row).values.tobytes() for row in RowFile(path, spec)}
    learned = {row.tobytes() for split in data.splits.values() for row in split.inputs}
    assert learned
    assert learned <= on_device


def test_a_missing_number_is_the_median_of_the_training_rows_and_is_marked_where_there_are_enough(tmp_path):
    path = table(tmp_path, 100, few=lambda row: row if row else "", many=lambda row: "NA" if row % 3 == 0 else row)
    data = load(path)
    assert data.input.features == ("width", "few", "many", "many is missing")
    few, many = data.input.columns[1:]
    values = data.train.inputs
    assert few.fill == (np.median(values[values[:, 1] != few.fill, 1]),)
    gone = values[:, 3] == 1
    assert many.fill == (np.median(values[~gone, 2]),)
    assert set(values[gone, 2]) == {many.fill[0]}
    assert set(values[:, 3]) == {0, 1}
    read_again(path, data)


def test_a_missing_word_is_a_value_of_its_own_and_none_is_a_word(tmp_path):
    data = load(table(tmp_path, colour=["red", "", "none", "NA"]))
    assert data.input.features == ("width", "colour=none", "colour=red", "colour is missing")
    assert (data.train.inputs[:, 1:].sum(axis=1) == 1).all()
    read_again(tmp_path / "t.csv", data)


def test_neither_truth_nor_gap_marks_are_scaled(tmp_path):
    data = load(table(tmp_path, 100, sure=["yes", "no", "no"], many=lambda row: "" if row % 3 == 0 else row))
    assert data.input.features == ("width", "sure", "many", "many is missing")
    assert data.input.is_quantity.tolist() == [True, False, True, False]
    assert data.first_layers[0].factor[[1, 3]].tolist() == [1, 1]
    read_again(tmp_path / "t.csv", data)


@pytest.mark.parametrize("words", [("TRUE", "FALSE"), ("t", "f"), ("Yes", "no"), ("y", "n", "")])
def test_truth_is_one_feature(tmp_path, words):
    assert form(tmp_path, *words) == TruthForm()


@pytest.mark.parametrize("words", [("f", "m"), ("yes", "no", "perhaps"), ("yes", "1"), ("T", "t")])
def test_other_words_are_no_truth(tmp_path, words):
    assert isinstance(form(tmp_path, *words), tuple)


@pytest.mark.parametrize(
    ("cells", "order", "parts"),
    [
        (("2021-04-03", "2020-12-31"), "ymd", ("year", "month", "day", "weekday")),
        (("2021/04/03 13:30:01", "2021/04/03 01:00:00"), "ymd", ("hour",)),
        (("2021-04-03T13:30Z", "2021-05-03T00:00+02:00"), "ymd", ("month", "weekday", "hour")),
        (("2021-04", "2021-05"), "ymd", ("month", "weekday")),
        (("1939 Jan", "1940 Jan"), "ymd", ("year", "weekday")),
        (("3.4.2021", "4.4.2021"), "dmy", ("day", "weekday")),
        (("03/04/2021", "13/04/2021"), "dmy", ("day", "weekday")),
        (("03/04/2021", "03/14/2021"), "mdy", ("day", "weekday")),
        (("3 April 2021", "3 May 2021"), "dmy", ("month", "weekday")),
        (("Apr 3, 2021", "Apr 4, 2021"), "mdy", ("day", "weekday")),
        (("11:38:36", "9:00 pm"), "time", ("hour",)),
    ],
)
def test_dates_become_the_parts_that_change(tmp_path, cells, order, parts):
    assert form(tmp_path, *cells, "") == DateForm(order, parts)


def test_the_parts_of_a_date_are_numbers(tmp_path):
    path = table(tmp_path, when=lambda row: f"{2019 + row % 2}-0{1 + row % 9}-1{row % 10} 1{row % 10}:30")
    data = load(path)
    assert data.input.features[1:] == ("when year", "when month", "when day", "when weekday", "when hour")
    spec, row = data.input, ["1", "2020-02-18 13:30"]
    assert spec.encode(row)[0].tolist() == [1, 2020, 2, 18, 2, 13.5]
    assert spec.encode(["1", "2060-02-18 13:30"])[1:] == (("when year 2060: training saw 2019 to 2020",), True)
    read_again(path, data)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("$1,200", "$5", "-$3.50"), NumberForm("$", "", ",", ".")),
        (("$1,200", "$2,500"), NumberForm("$", "", ",", ".")),
        (("5%", "12.5%"), NumberForm("", "%")),
        (("1,5", "2,75", "3"), NumberForm(decimal=",")),
        (("1,200", "900", "1,234,567"), NumberForm(thousands=",")),
        (("1.200,50", "3,5"), NumberForm(thousands=".", decimal=",")),
        (("1 200", "900"), NumberForm(thousands=" ")),
        (("12 kg", "7.5kg"), NumberForm("", "kg")),
        (("1_000", "2_500"), NumberForm(thousands="_")),
        (("12,50 \u20ac", "7,5 \u20ac"), NumberForm("", "\u20ac", "", ",")),
        (("0,794", "1,205", "2"), NumberForm(decimal=",")),
        (("\u20ac0,794", "\u20ac2"), NumberForm("\u20ac", decimal=",")),
        (("007,123", "2,500"), NumberForm(decimal=",")),
        (("1,210", "2,345", "512"), NumberForm(thousands=",")),
        (("- 200", "300", "-1.5"), NumberForm(thousands=",")),
        (("1st", "2nd", "3rd"), ("1st", "2nd", "3rd")),
        (("A1", "B2"), ("A1", "B2")),
    ],
)
def test_numbers_with_signs_are_read_where_all_agree(tmp_path, cells, expected):
    assert form(tmp_path, *cells) == expected


def test_numbers_with_signs_are_the_numbers(tmp_path):
    path = table(tmp_path, 90, price=lambda row: f"-${1000 + row:,}.5" if row else "")
    data = load(path)
    assert data.input.encode(["1", "$2,500.25"])[0].tolist() == [1, 2500.25]
    assert data.input.encode(["1", "-$900"])[0].tolist() == [1, -900]
    with pytest.raises(EdgesoftError, match=r"'2500' in column 'price' is no number as training saw it: .* \$1,205\.1"):
        data.input.encode(["1", "2500"])
    read_again(path, data)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("03/04/2021", "05/06/2021"), "no row says whether the day or the month comes first"),
        (("2021-04-03", "13/04/2021"), "but not all in the same form"),
        (("3/4/21", "5/6/21"), "two digits for the year"),
        (("12 kg", "500 g"), r"different signs or units \('12 kg', '500 g'\)"),
        (("$5", "\u20ac5"), "different signs or units"),
        (("5%", "5"), "different signs or units"),
        (("1,200", "3,400"), "which may be one or a thousand"),
        (("1,200", "3,400", "2"), "which may be one or a thousand"),
        (("1,205", "2,341", "512"), "which may be one or a thousand"),
        (("\u20ac1,205", "\u20ac2"), "which may be one or a thousand"),
        (("1,2", "1.2"), "written in different ways"),
    ],
)
def test_what_may_mean_two_things_is_refused(tmp_path, cells, message):
    path = table(tmp_path, x=list(cells))
    with pytest.raises(EdgesoftError, match=f"column 'x' holds .*{message}"):
        load(path)
    assert load(path, categorical=("x",)).input.columns[1].vocabulary == tuple(sorted(cells))


def test_a_gap_that_only_other_rows_have_is_said(tmp_path):
    path = table(tmp_path, 60, x=lambda row: row)
    other = tmp_path / "test.csv"
    other.write_text(
        "\n".join(["width,x,kind", *(f"{row},{row if row % 5 else ''},{'ab'[row % 2]}" for row in range(20))])
    )
    notes = load(path, test=str(other)).warnings
    assert any("column 'x' lacks a number in 4 rows, none of which is a training row" in note for note in notes)


@pytest.mark.parametrize("cell", ["--5", "+-5", "++1", "--5 kg", "-$-5", "+ -5"])
def test_two_signs_are_no_number(tmp_path, cell):
    data = load(table(tmp_path, x=lambda row: f"${row}" if "$" in cell else f"{row} kg" if "kg" in cell else row))
    with pytest.raises(EdgesoftError, match="in column 'x' is no number"):
        data.input.encode(["1", cell])
    with pytest.raises(EdgesoftError, match="column 'x' mixes numbers with words, such as '--2' in line 4"):
        load(table(tmp_path, 90, x=lambda row: f"--{row}" if row % 3 == 2 else row))


def test_many_numbers_among_words_are_refused(tmp_path):
    with pytest.raises(EdgesoftError, match="column 'x' mixes numbers with words, such as 'low' in line 4"):
        load(table(tmp_path, 100, x=lambda row: "low" if row % 3 == 2 else row))


def test_codes_are_categories_when_somebody_says_so(tmp_path):
    data = load(table(tmp_path, zip=["01234", "20095", "7"]), categorical=("zip",))
    assert data.input.features == ("width", "zip=01234", "zip=20095", "zip=7")
    # pandas makes 7.0 of it as soon as one is missing
    assert data.input.encode(["1", "7.0"])[0].tolist() == data.input.encode(["1", "7"])[0].tolist() == [1, 0, 0, 1]
    with pytest.raises(UsageError, match="--categorical holds 'kind', which --target names"):
        load(tmp_path / "t.csv", categorical=("kind",))


def test_numbers_whose_neighbours_have_nothing_in_common_look_like_codes(tmp_path):
    generator = np.random.default_rng(0)
    favours = generator.permutation(30) < 15
    lines = ["school,size,kind"]
    for _ in range(1500):
        school, chance = generator.integers(30), generator.random()
        kind = favours[school] if chance < 0.9 else not favours[school]
        size = 50 + int(generator.normal(10 if kind else 0, 6))
        lines.append(f"{school},{size},{'ab'[int(kind)]}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    (said,) = [warning for warning in load(tmp_path / "t.csv").warnings if "codes" in warning]
    assert said.endswith(": school. If so: --categorical school")
    assert not any("codes" in warning for warning in load(tmp_path / "t.csv", categorical=("school",)).warnings)


def test_the_index_that_pandas_writes_into_parquet_is_left_out(tmp_path):
    """Of shuffled rows it knows the order from before, and with it the label."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"width": np.random.default_rng(0).normal(size=90), "kind": ["a"] * 45 + ["b"] * 45})
    for name, index in (("rows", frame.index), ("days", pandas.date_range("2020-01-01", periods=90))):
        path = tmp_path / f"{name}.parquet"
        frame.set_axis(index).sample(frac=1, random_state=1).to_parquet(path)
        data = load(path)
        assert data.input.features == ("width",)
        assert any("'__index_level_0__' numbers or names the rows" in warning for warning in data.warnings)


def test_long_codes_are_compared_with_all_their_digits(tmp_path):
    codes = [str(10**18 + number) for number in range(3)]
    data = load(table(tmp_path, 90, id=lambda row: codes[row % 3]), categorical=("id",))
    assert data.input.encode(["1", codes[0]])[1] == ()
    assert "not among the values seen" in data.input.encode(["1", str(10**18 + 50)])[1][0]
    assert data.input.encode(["1", f"{codes[2]}.0"])[0].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("heading", ["", "Unnamed: 0", "rownames"])
@pytest.mark.parametrize(
    "cell", [str, lambda row: str(row * 7 % 100), lambda row: f"Mr {row}"], ids=["0 on", "any", "names"]
)
def test_an_index_is_left_out_and_a_device_needs_none(tmp_path, heading, cell):
    lines = [f"{heading},width,kind", *(f"{cell(row)},{row % 7},{'ab'[row % 2]}" for row in range(80))]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    data = load(path)
    assert data.input.features == ("width",)
    assert any("as an index does: left out" in warning for warning in data.warnings)
    read_again(path, data)
    path.write_text("width\n3\n")
    assert [row.cells for row in RowFile(path, data.input)] == [("3",)]


def test_numbers_of_the_rows_under_another_name_are_warned_of(tmp_path):
    data = load(table(tmp_path, 200, record=lambda row: 1000 + row * 7 % 200, size=lambda row: row * row))
    (said,) = [warning for warning in data.warnings if "only named it" in warning]
    assert said.endswith(": record. If so: --ignore-columns record")


def test_a_column_without_a_name_that_is_no_index_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text(",x,kind\n" + "".join(f"{row % 5}.5,{row},{'ab'[row % 2]}\n" for row in range(40)))
    with pytest.raises(EdgesoftError, match="column 1 has no name in the first line. Name every column there"):
        load(tmp_path / "t.csv")


def test_all_complaints_come_at_once_and_end_in_a_command_that_works(tmp_path):
    columns = {"a, b": ["5 kg", "3 g"], "size": lambda row: row if row != 9 else "big", "other": [1, 2, 3]}
    path = table(tmp_path, 80, name=lambda row: f"Mr {row}", **columns)
    with pytest.raises(EdgesoftError) as caught:
        load(path, ignore_columns=("other",))
    message = str(caught.value)
    for part in (
        "text column 'name' holds 80 different values",
        "different signs or units",
        "column 'size' holds numbers, but 'big' in line 11",
    ):
        assert part in message
    words = shlex.split(message[message.index("edgesoft train") :])
    given = dict(zip([word[2:].replace("-", "_") for word in words[3::2]], words[4::2], strict=True))
    options = read_settings([DataSettings], {"source": words[2], **given})
    assert options["ignore_columns"] == ("other", "name", "a, b", "size")
    assert load_dataset(DataSettings(**options)).input.features == ("width",)


def test_rows_labels_and_columns_are_complained_of_together(tmp_path):
    lines = ["x,name,kind", *(f"{row},Mr {row},{'' if row > 9 else 'ab'[row % 2]}" for row in range(60)), "1,2"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(EdgesoftError) as caught:
        load(tmp_path / "t.csv")
    for part in (
        "a row cannot be read: line 62: 2 cells where the first line has 3. Correct or remove it",
        "50 of 60 rows have no label in column 'kind' (first: line 12)",
        "text column 'name' holds 60 different values",
        "--target kind --ignore-columns name",
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def penguins() -> Path:
    if (found := find_spec("palmerpenguins")) is None or found.origin is None:
        pytest.skip("real tables: pip install palmerpenguins")
    return Path(found.origin).parent / "data"


def test_a_raw_table_of_the_field_trains_after_the_command_that_its_complaint_ends_in(penguins, tmp_path):
    from edgesoft.training.runs import RunFolder
    from edgesoft.training.train import train

    path = penguins / "penguins-raw.csv"
    with pytest.raises(EdgesoftError, match="--ignore-columns 'Individual ID'"):
        load(path, "Species")
    data = load(path, "Species", ignore_columns=("Individual ID",))
    for feature in (
        "Clutch Completion",
        "Date Egg month",
        "Body Mass (g)",
        "Sex is missing",
        "Delta 15 N (o/oo) is missing",
    ):
        assert feature in data.input.features
    read_again(path, data)
    train(data, TINY, RunFolder(tmp_path))


def test_a_table_with_gaps_trains_as_it_is(penguins):
    data = load(penguins / "penguins.csv", "species")
    assert data.input.columns[-2].name == "sex"
    assert data.input.columns[-2].marks_missing
    read_again(penguins / "penguins.csv", data)
