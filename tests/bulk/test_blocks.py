"""What there is to do: from folders, lists, URIs, Parquet and tables, always in the same blocks."""

import dataclasses
import os
from urllib.parse import quote

import pyarrow as pa
import pytest
from pyarrow import parquet

from edgesoft.bulk.blocks import FEWEST, Inputs, Sources
from edgesoft.bulk.parquet import ParquetRows, _rows_at_once, is_parquet
from edgesoft.bulk.worker import Worker
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.batches import Unreadable


@pytest.fixture(scope="session")
def worker(work):
    return Worker(work)


def found(names, listing=(), **options):
    with Inputs(list(map(str, names)), listing, None, **options) as inputs:
        return inputs.count, inputs.digest, list(inputs.blocks())


def readings(worker, *names, listing=(), **options):
    count, _, blocks = found(names, listing, **options)
    answers = [answer for block in blocks for answer in worker.readings(block)]
    assert count == len(answers)
    return answers


def labels(answers):
    return [None if isinstance(answer, Unreadable) else answer.label for answer in answers]


def test_blocks_are_the_same_ones_whenever_the_same_inputs_come(pictures):
    count, digest, blocks = found([pictures])
    assert count == 84 and len(blocks) == -(-84 // FEWEST)
    assert all(len(block.items) == FEWEST for block in blocks[:-1])
    assert found([pictures]) == (count, digest, blocks)
    assert found([pictures / "0"])[1] != digest
    listed = [name for block in blocks for name, _ in block.items]
    assert found([], listed) == (count, digest, blocks)


def test_a_changed_file_is_another_input(tmp_path, digits):
    path = tmp_path / "a.png"
    path.write_bytes(digits[0])
    digest = found([tmp_path])[1]
    os.utime(path, ns=(1, 1))
    assert found([tmp_path])[1] != digest


def test_the_outputs_own_files_are_no_inputs(tmp_path, digits):
    (tmp_path / "a.png").write_bytes(digits[0])
    (tmp_path / "out.csv").write_bytes(b"old")
    assert found([tmp_path])[0] == 2
    assert found([tmp_path], left_out=[tmp_path / "out.csv"])[0] == 1


def test_the_output_is_no_input(tmp_path, digits):
    """Whoever names it would lose it."""
    output = tmp_path / "a.png"
    output.write_bytes(digits[0])
    (tmp_path / "link.png").symlink_to(output)
    (tmp_path / "b.png").write_bytes(digits[0])
    for named in (output, tmp_path / "link.png", f"{tmp_path}/../{tmp_path.name}/a.png", f"file://{output}"):
        with pytest.raises(UsageError, match="is an input and the output"):
            found([named], left_out=[output])
    with pytest.raises(UsageError, match="is an input and the output"):
        found([], listing=[str(tmp_path / "b.png"), str(output)], left_out=[output])
    assert found([tmp_path, str(tmp_path / "?.png")], left_out=[output])[0] == 2
    assert found([output], left_out=[tmp_path / "new.csv"])[0] == 1


def test_what_is_not_there_is_an_input_that_cannot_be_read(worker, tmp_path):
    (answer,) = readings(worker, tmp_path / "missing.png")
    assert "no such file" in answer.error
    assert [answer.path for answer in readings(worker, listing=["x" * 5000, "a\0b"])] == ["x" * 5000, "a\0b"]


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe"):
        found([tmp_path / "pipe"])


def test_uris_are_opened_by_pyarrow_and_name_the_same_pictures(worker, pictures):
    odd = pictures / "2"  # pyarrow's names are UTF-8
    with pytest.raises(EdgesoftError, match="cannot be looked at"):
        found([f"file://{odd}"])
    names = [str(pictures / "1"), str(odd / '=a,"b" %20?#\n.png')]
    here = readings(worker, *names)
    there = readings(worker, f"file://{names[0]}", "file://" + quote(names[1]))
    assert labels(there) == labels(here)
    assert all(answer.path.startswith("file:///") for answer in there)
    # The names lead back to the files, one by one.
    assert labels(readings(worker, listing=[answer.path for answer in there])) == labels(here)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:///nowhere/at/all.png", "no such file"),
        ("nothing://a/b.png", "cannot be opened"),
        ("http://127.0.0.1/a.png", "cannot be opened"),
        ("s3://", "cannot be"),
    ],
)
def test_a_listed_uri_that_cannot_be_read_costs_itself(worker, uri, message, pictures):
    bad, good = readings(worker, listing=[uri, str(pictures / "0" / "000.png")])
    assert message in bad.error and bad.path == uri
    assert good.label == "7"


def table(tmp_path, columns, name="many.parquet", **options):
    parquet.write_table(pa.table(columns), tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("group", [7, 1000])
def test_parquet_with_bytes(worker, tmp_path, digits, pictures, group):
    expected = [worker.readings(Sources(((f"{n}", content),)))[0] for n, content in enumerate(digits)]
    values = [*digits[:40], None, b"no picture", *digits[40:]]
    path = table(tmp_path, {"id": range(82), "image": pa.array(values, pa.binary())}, row_group_size=group)
    answers = readings(worker, path)
    assert [answer.path for answer in answers] == [f"{path}:{row}" for row in range(1, 83)]
    assert "cell is empty" in answers[40].error and "text file" in answers[41].error
    assert labels(answers[:40] + answers[42:]) == labels(expected)
    # Blocks in any order, as workers get them.
    blocks = found([path])[2]
    assert all(isinstance(block, ParquetRows) for block in blocks)
    backwards = [worker.readings(block) for block in reversed(blocks)]
    assert [answer.path for part in reversed(backwards) for answer in part] == [answer.path for answer in answers]


def test_parquet_with_paths_and_with_structs(worker, tmp_path, digits, pictures):
    paths = [str(pictures / "0" / "000.png"), f"file://{pictures}/1/001.png", "missing.png", None, ""]
    by_path = readings(worker, table(tmp_path, {"file": paths, "note": ["x"] * 5}))
    assert labels(by_path) == ["7", "2", None, None, None]
    assert [answer.path for answer in by_path[:3]] == paths[:3]
    structs = pa.array([{"bytes": digits[0], "path": None}, {"bytes": None, "path": "x"}, None])
    assert labels(readings(worker, table(tmp_path, {"image": structs}, "structs.parquet"))) == ["7", None, None]
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(2):
        table(folder, {"image": [digits[number]]}, f"{number}.parquet")
    assert labels(readings(worker, folder)) == ["7", "2"]
    assert labels(readings(worker, f"file://{folder}")) == ["7", "2"]


def test_parquet_is_known_by_its_name_also_where_a_uri_has_options():
    assert is_parquet("a/b.PQ") and is_parquet("s3://a/b.parquet?region=x&scheme=http")
    assert not is_parquet("s3://a/b.png?x=.parquet") and not is_parquet("b.parquet.csv")


def test_which_column_is_meant_is_asked_before_the_work(work, tmp_path, digits):
    path = table(tmp_path, {"a": [digits[0]], "b": [digits[1]], "c": [1]})
    with pytest.raises(UsageError, match=r"--column NAME. There are a, b, c"):
        found([path])
    worker_b = Worker(dataclasses.replace(work, column="b"))
    assert labels(readings(worker_b, path, column="b")) == ["2"]
    with pytest.raises(UsageError, match="has no column 'd'"):
        found([path], column="d")
    with pytest.raises(UsageError, match="holds int64"):
        found([path], column="c")


def test_damaged_parquet_costs_itself(worker, tmp_path, digits):
    whole = table(tmp_path, {"image": digits}, compression="none").read_bytes()
    (tmp_path / "many.parquet").write_bytes(whole[:-100])
    (tmp_path / "z.png").write_bytes(digits[0])
    answers = readings(worker, tmp_path)
    assert "cannot be read as Parquet" in answers[0].error and labels(answers) == [None, "7"]


def test_a_small_file_of_one_large_value_is_unpacked_a_few_rows_at_a_time(tmp_path):
    path = table(tmp_path, {"image": pa.DictionaryArray.from_arrays([0] * 1000, [b"\0" * 2**24])})
    assert path.stat().st_size < 2**20
    assert _rows_at_once(parquet.ParquetFile(path).metadata, ["image"]) <= 16
