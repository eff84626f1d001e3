"""Tables with dates, gaps and words on a page and in C: the same features, answers and "unknown" as Python has."""

import base64
import dataclasses
import json
import re
import subprocess
from datetime import date

import numpy as np
import pytest

import edgesoft
from edgesoft.inference.batches import Reading, classify
from edgesoft.model.card import Rejection
from edgesoft.model.file import open_model
from edgesoft.model.golden import Golden
from edgesoft.model.inputs import TableInput
from edgesoft.tables.rows import Row
from edgesoft.tables.spec import Column
from edgesoft.tables.values import PARTS, DateForm
from edgesoft.targets.c.program import write_program
from edgesoft.targets.web.page import PAGE, write_page
from tests.targets.browse import browse, need_browser
from tests.targets.test_c import STRICT, Compiled, compiled, need, written

SANITIZED = ("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *STRICT)
DAYS = ["2019-12-31", "2020-01-01", "2020-02-29", "2000-02-29", "1900-02-28", "2100-03-01", "0001-01-01", "9999-12-31"]
TIMES = ["00:00", "23:59", "12:00", "09:07", "06:59"]
NO_TIMES = ["24:60", "25:00", "noon", "7", "07:5", "-1:00", "07:00 pm?"]
WORDS = ("blue", "green", "red", "violet")
OTHER = "(another value)"
FORM = """
const floats = (features) => base64(Float32Array.from(features));
const out = { types: FIELDS.map((field) => field.type), hints: Array.from(document.querySelectorAll(".hint"), (hint) => hint.textContent) };
out.rows = ROWS.map((row) => {
  row.forEach((value, index) => { FIELDS[index].value = value; });
  FIELDS[0].dispatchEvent(new Event("input"));
  const { features } = readForm();
  return { label: element("label").textContent, reason: element("reason").textContent, features: floats(features),
    logits: floats(logitsOf(features)), wrong: FIELDS.map((field) => field.getAttribute("aria-invalid") === "true") };
});
out.golden = Array.from({ length: GOLDEN.count }, (_, example) => {
  element("example").click();
  return { features: floats(readForm().features), values: FIELDS.map((field) => field.value), reason: element("reason").textContent };
});
const gap = goldenInput(0).slice();
gap.set(columns[1].fill, 6);  // a day that is missing where no mark says so: its medians are no day
fillForm(gap);
out.gap = [FIELDS[1].value, floats(gap), floats(readForm().features)];
FIELDS[0].value = "";
Object.defineProperty(FIELDS[0], "validity", { value: { badInput: true } });  // a day without its year, as typed
FIELDS[0].dispatchEvent(new Event("keyup"));
out.half = [element("label").textContent, element("reason").textContent];
return out;
"""
READ = """
const told = (numbers) => numbers.map((x) => (Number.isNaN(x) ? null : x));
return READS.map(([parts, texts]) => texts.map((text) => {
  const column = { parts }, numbers = readDate(column, text);
  const isDate = !Number.isNaN(numbers[0]);
  return { numbers: told(numbers), again: told(isDate ? readDate(column, writtenDate(column, numbers)) : numbers) };
}));
"""
SUBSETS = [list(PARTS), ["year", "month"], ["weekday"], ["month", "day", "hour"]]


def day(generator):
    """Of any year, or one of those that are special."""
    if generator.random() < 0.2:
        return str(generator.choice(DAYS))
    is_near = generator.random() < 0.8
    first, last = (date(2016, 1, 1), date(2021, 1, 1)) if is_near else (date(1, 1, 1), date(9999, 1, 1))
    return date.fromordinal(int(generator.integers(first.toordinal(), last.toordinal()))).isoformat()


def time(generator, first=0, last=24):
    if generator.random() < 0.1:
        return str(generator.choice(TIMES))
    return f"{int(generator.integers(first, last)):02}:{int(generator.integers(0, 60)):02}"


def form_row(generator):
    """What may stand in the fields: sold, day, opened, closed, month, weight and colour."""
    return [
        "" if generator.random() < 0.2 else f"{day(generator)}T{time(generator)}",
        "" if generator.random() < 0.2 else day(generator),
        "" if generator.random() < 0.05 else time(generator, 2, 14),
        str(generator.choice([*NO_TIMES, "24:00", "24:59"])) if generator.random() < 0.1 else time(generator, 12),
        "" if generator.random() < 0.05 else day(generator),
        "" if generator.random() < 0.2 else str(round(float(generator.normal(5, 10)), 3)),
        int(generator.integers(0, len(WORDS))),
    ]  # fmt: skip


def cells(row):
    """The same as a file of the training's form has it."""
    sold, day, *others, colour = row
    if day:
        year, month, number = day.split("-")
        day = f"{int(number)}.{int(month)}.{year}"
    return [sold, day, *others, WORDS[colour]]


def fields(row):
    return [*row[:-1], OTHER if WORDS[row[-1]] == "violet" else str(row[-1])]


ROWS = [form_row(np.random.default_rng(seed)) for seed in range(400)]


def answers(file, rows=ROWS):
    """What Python makes of the rows."""
    return list(classify(edgesoft.load(file), [(str(i), Row(i, tuple(cells(row)))) for i, row in enumerate(rows)]))


def texts(generator):
    """Days and times, and what only looks like some."""
    whole = [f"{day(generator)}T{time(generator)}" for _ in range(300)]
    shifted = [
        f"{int(generator.integers(0, 10000)):04}-{int(generator.integers(0, 14)):02}-{int(generator.integers(0, 33)):02}"
        for _ in range(300)
    ]
    odd = [
        "",
        "2020",
        "2020-13-01",
        "20200-01-01",
        "2021-02-29",
        "0000-03-01",
        " 2020-01-01",
        "2020-01-01T24:60",
        "٢٠٢٠-01-01",
        "x",
    ]
    return [*whole, *shifted, *[text[:10] for text in whole[:50]], *odd, "2020-01-01T13:30:59", "2020-01-01 24:00"]


def read(form, text):
    try:
        return [float(np.float32(x)) for x in form.read(text)]
    except ValueError:
        return [None] * len(form.parts)


@pytest.fixture(scope="module")
def opened(dated, tmp_path_factory):
    """What a browser makes of the float and of the INT8 page."""
    need_browser()
    generator = np.random.default_rng(11)
    reads = [[parts, texts(generator)] for parts in SUBSETS]
    reads += [[["hour"], [*NO_TIMES, *(text[11:] for text in texts(generator))]]]
    script = FORM.replace("ROWS", json.dumps([fields(row) for row in ROWS]))
    pages = {file.name: (write_page(open_model(file))[PAGE].decode(), script) for file in dated}
    pages["reads"] = (pages[dated[0].name][0], READ.replace("READS", json.dumps(reads)))
    found, complaints = browse(pages, tmp_path_factory.mktemp("dates"))
    assert complaints == []
    return found, reads


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def test_fields_of_dates(opened, dated):
    for file in dated:
        result = opened[0][file.name]["result"]
        assert result["types"] == ["datetime-local", "date", "time", "text", "date", "number", "select-one"]
        assert result["hints"][:5] == [
            "training: year 2018 to 2020, hour 00:00 to 23:49; may be missing",
            "training: year 1996 to 2020; may be missing",
            "training: hour 06:00 to 09:58",
            "training: hour 17:03 to 24:00",
            "training: year 2015 to 2017; read as its year, month, weekday",
        ]
        assert opened[0][file.name]["passed"] == "true"
        assert result["half"] == ["\u2013", "sold: expected a date and time"]


def test_a_row_of_the_form_is_answered_as_python_answers_it(opened, dated):
    kinds = set()
    for file in dated:
        model = edgesoft.load(file)
        for row, found, expected in zip(ROWS, opened[0][file.name]["result"]["rows"], answers(file), strict=True):
            if not isinstance(expected, Reading):
                name = re.search(r"column '(\w+)'", expected.error)[1]
                assert found["reason"].startswith(f"{name}: expected a"), (row, found, expected)
                assert found["label"] == "\u2013"
                assert any(found["wrong"])
                kinds.add(name)
                continue
            assert np.array_equal(floats(found["features"]), expected.inputs), row
            logits = model(expected.inputs).logits[0]
            if model.card.quantization is not None:
                assert np.array_equal(floats(found["logits"]).view(np.int32), logits.view(np.int32))
            assert np.abs(floats(found["logits"]) - logits).max() < 1e-4
            assert found["label"] == expected.label, (row, found, expected)
            assert not any(found["wrong"])
            notes = [note for note in expected.warnings if "training saw" in note]
            assert [note for note in found["reason"].split("; ") if "training saw" in note] == notes
            kinds.add(expected.label)
    assert kinds == {"opened", "closed", "month", "unknown", "early", "late", "never"}


def test_examples_fill_the_form(opened, dated):
    """Also where a date was missing, and its medians are no day."""
    for file in dated:
        model = open_model(file)
        golden = Golden.decode(model.metadata["edgesoft.golden"], file)
        result = opened[0][file.name]["result"]["golden"]
        for features, found in zip(golden.inputs, result, strict=True):
            assert np.array_equal(floats(found["features"]), features), found
            assert (found["values"][0] == "") == (features[5] == 1)
        value, features, again = opened[0][file.name]["result"]["gap"]
        assert (value, again) == ("", features)
        assert result[0]["reason"].startswith(f"example 1 of {len(golden)}, right: ")


def test_dates_are_read_as_python_reads_them(opened):
    results, reads = opened
    for (parts, given), found in zip(reads, results["reads"]["result"], strict=True):
        form = DateForm("time" if parts == ["hour"] else "ymd", tuple(parts))
        for text, answer in zip(given, found, strict=True):
            # Python also reads months without a day, of one digit, and with other signs between them: no field holds those.
            assert answer["numbers"] == answer["again"] == read(form, text), (parts, text)
        assert any(None in answer["numbers"] for answer in found)


def test_every_day_of_the_week_in_c(dated, tmp_path):
    need("gcc")
    name = written(open_model(dated[0]), tmp_path)
    years = [-1, 0, 1, 4, 99, 100, 400, 1582, 1899, 1900, 1970, 1999, 2000, 2023, 2024, 2100, 9999, 10000]
    (tmp_path / "days.c").write_text(
        f'#include <stdio.h>\n#include "{name}.h"\n'
        f"static const int years[] = {{{', '.join(map(str, years))}}};\n"
        "int main(void)\n{\n    for (unsigned i = 0; i < sizeof years / sizeof *years; i++)\n"
        "        for (int month = -1; month < 15; month++)\n            for (int day = -1; day < 34; day++)\n"
        f'                printf("%d %d %d %d\\n", years[i], month, day, {name}_weekday(years[i], month, day));\n'
        "    return 0;\n}\n"
    )
    program = compiled(SANITIZED, tmp_path, f"{name}.c", "days.c")
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(years) * 16 * 35
    for line in lines:
        *given, found = map(int, line.split())
        try:
            expected = date(*given).isoweekday()
        except ValueError:
            expected = 0
        assert found == expected, given


def test_the_header_says_what_stands_for_a_missing_value(dated):
    model = open_model(dated[0])
    header = write_program(model)["shop.h"].decode()
    row = np.zeros(model.card.input.shape, np.float32)
    for place, name, fill in re.findall(
        r"^ \*   \[(\d+)\] (.*?)(?:; (\S+)f where it is missing)?$", header, re.MULTILINE
    ):
        assert model.card.input.features[int(place)] == name
        row[int(place)] = fill or name.endswith("is missing")
    encoded, _, _ = model.card.input.encode(["", "NA", "7:00", "22:00", "2016/03", "?", "red"])
    given = [
        place for place, name in enumerate(model.card.input.features) if name.split()[0] in ("sold", "day", "weight")
    ]
    assert len(given) == 12
    assert np.array_equal(row[given], encoded[given])
    assert "shop_weekday" in header
    assert "154 bytes of constants" in header
    assert "(float)(hour + minute / 60.0)" in " ".join(header.split())


@pytest.mark.parametrize("place", [0, 1], ids=["float", "INT8"])
def test_c_judges_rows_as_python_does(dated, place, tmp_path):
    need("gcc")
    readings = [answer for answer in answers(dated[place]) if isinstance(answer, Reading)]
    found = Compiled(dated[place], tmp_path, SANITIZED)(np.stack([reading.inputs for reading in readings]))
    assert found[0].tolist() == [reading.index for reading in readings]
    assert found[1].tolist() == [not reading.rejected for reading in readings]
    assert 20 < sum(found[1]) < len(readings) - 20


def with_input(model, spec, **changes):
    return dataclasses.replace(model, card=dataclasses.replace(model.card, input=spec, **changes))


def test_c_judges_numbers_at_the_very_ends_of_what_is_familiar(dated, tmp_path):
    """Of which each is a float64: the next float32 on either side belongs to another side."""
    need("gcc")
    generator = np.random.default_rng(4)
    ranges = [
        (low, low + width)
        for low, width in zip(
            generator.normal(0, 100, 20).tolist(), generator.lognormal(0, 4, 20).tolist(), strict=True
        )
    ]
    spec = TableInput(tuple(Column(f"x{i}", None, (ends,)) for i, ends in enumerate(ranges)), rows=77)
    middle = [repr(low / 2 + high / 2) for low, high in ranges]
    rows, expected = [], []
    for place in range(20):
        for end in (spec.familiar[0][place], spec.familiar[1][place]):
            near = np.float32(end)
            for value in (near, *(np.nextafter(near, np.float32(far)) for far in (-np.inf, np.inf))):
                features, _, is_unfamiliar = spec.encode([*middle[:place], repr(float(value)), *middle[place + 1 :]])
                rows.append(features)
                expected.append(not is_unfamiliar)
    model = with_input(open_model(dated[0]), spec)
    assert Compiled(model, tmp_path, SANITIZED)(np.stack(rows))[1].tolist() == expected
    assert 40 <= sum(expected) <= 80


def test_c_judges_words_that_training_never_saw_and_what_never_changed(dated, tmp_path):
    """20 features of the model, said to be other columns."""
    need("gcc")
    words = tuple("abcdef")
    spec = TableInput(
        (
            Column("a", words),
            Column("b", words[:5], marks_missing=True),
            Column("c", words),
            Column("huge", None, ((-3e38, 3e38),)),
            Column("constant", None, ((2.5, 2.5),)),
        ),
        rows=50,
    )
    assert spec.shape == open_model(dated[0]).card.input.shape
    generator = np.random.default_rng(3)
    rows = [
        [
            *(str(generator.choice([*words, "", "z", "y"])) for _ in range(3)),
            "1e37",
            str(generator.choice(["2.5", "9"])),
        ]
        for _ in range(200)
    ]
    encoded = [spec.encode(row) for row in rows]
    inputs, expected = np.stack([row for row, _, _ in encoded]), [not is_unfamiliar for _, _, is_unfamiliar in encoded]
    model = open_model(dated[0])
    assert Compiled(with_input(model, spec), tmp_path / "judging", SANITIZED)(inputs)[1].tolist() == expected
    assert 0 < sum(expected) < len(expected)
    always = with_input(model, spec, rejection=Rejection(0.0, None))
    assert Compiled(always, tmp_path / "always", SANITIZED)(inputs)[1].all()
    unknown = with_input(model, TableInput(tuple(Column(f"x{i}") for i in range(20))))
    assert Compiled(unknown, tmp_path / "without ranges", SANITIZED)(inputs)[1].all()
