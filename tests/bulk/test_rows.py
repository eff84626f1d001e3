"""Rows of tables: text is read here, Parquet by whoever answers it; the answers are the same."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from edgesoft.bulk.blocks import ROWS, Inputs, Sources
from edgesoft.bulk.worker import Worker
from edgesoft.data.arrays import from_arrays
from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.publish import publish
from edgesoft.inference.batches import Unreadable
from edgesoft.model.file import open_model
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.runs import RunFolder
from edgesoft.training.train import train
from tests.conftest import TINY


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two features that tell three classes apart."""
    x = np.random.default_rng(0).uniform(0, 10, (240, 2)).astype(np.float32)
    y = np.array(["low", "middle", "high"])[(x[:, 0] // 3.4).astype(int)]
    data = from_arrays({"train": (x, y)}, name="rows", feature_names=("width", "height"))
    run = RunFolder(tmp_path_factory.mktemp("run"))
    train(data, dataclasses.replace(TINY, epochs=20, batch_size=16), run)
    folder = tmp_path_factory.mktemp("exported")
    publish(export(Checkpoint.load(run.checkpoint), data, gate=Gate(100)), data, folder)
    return folder / "rows.onnx"


@pytest.fixture
def rows(rng):
    values = rng.uniform(0, 10, (ROWS + 500, 2)).round(3)
    return {"note": ["x"] * len(values), "height": values[:, 1], "width": values[:, 0]}


def as_text(rows, path):
    lines = [
        "note,height,width",
        *(f"{note},{height},{width}" for note, height, width in zip(*rows.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def answer(work, model):
    worker = Worker(dataclasses.replace(work, content=open_model(model).content, path=model))
    spec = worker._classifier.card.input

    def all_of(*names):
        notes = []
        with Inputs(list(map(str, names)), (), spec, on_note=notes.append) as inputs:
            blocks = list(inputs.blocks())
            answers = [answer for block in blocks for answer in worker.readings(block)]
            assert inputs.count in (None, len(answers))
        return blocks, answers, notes

    return all_of


def told(answers):
    return [answer.error if isinstance(answer, Unreadable) else (answer.label, answer.confidence) for answer in answers]


def test_text_and_parquet_have_the_same_answers_and_names(answer, rows, tmp_path):
    text = as_text(rows, tmp_path / "rows.csv")
    parquet.write_table(pa.table(rows), tmp_path / "rows.parquet", row_group_size=700)
    blocks, from_text, notes = answer(text)
    assert [len(block.items) for block in blocks] == [ROWS, 500] and isinstance(blocks[0], Sources)
    assert notes == [f"note: {text}: columns that the model does not take: note"]
    parts, from_parquet, _ = answer(tmp_path / "rows.parquet")
    assert [block.count for block in parts] == [ROWS, 500]
    assert told(from_parquet) == told(from_text) and {"low", "middle", "high"} <= {
        label for label, _ in told(from_text)
    }
    assert [answer.path for answer in from_text[:2]] == [f"{text}:2", f"{text}:3"]
    assert [answer.path for answer in from_parquet[-2:]] == [f"{tmp_path}/rows.parquet:{ROWS + n}" for n in (499, 500)]
    both = answer(f"file://{tmp_path}/rows.csv", f"file://{tmp_path}/rows.parquet")[1]
    assert told(both) == told(from_text) * 2
    assert both[0].path == f"file://{tmp_path}/rows.csv:2"


def test_what_cannot_be_read_costs_itself(answer, tmp_path):
    (tmp_path / "a.csv").write_text("width,height\n1,2\nx,3\n")
    (tmp_path / "b.csv").write_text("depth\n1\n")
    parquet.write_table(pa.table({"width": [1.0, None], "height": [float("nan"), 2.0]}), tmp_path / "c.parquet")
    parquet.write_table(pa.table({"width": [1.0]}), tmp_path / "d.parquet")
    (tmp_path / "e.parquet").write_bytes(b"PAR1")
    missing = "file:///nowhere/rows.csv"
    names = [
        tmp_path / "a.csv",
        tmp_path / "b.csv",
        tmp_path / "c.parquet",
        tmp_path / "d.parquet",
        tmp_path / "e.parquet",
    ]
    _, answers, _ = answer(*names, missing, tmp_path / "gone.csv")
    paths = [answer.path.rpartition("/")[2] for answer in answers]
    assert paths == [
        "a.csv:2",
        "a.csv:3",
        "b.csv",
        "c.parquet:1",
        "c.parquet:2",
        "d.parquet",
        "e.parquet",
        "rows.csv",
        "gone.csv",
    ]
    assert [isinstance(answer, Unreadable) for answer in answers] == [False, *[True] * 8]
    assert "no column 'height'" in answers[5].error and "cannot be read as Parquet" in answers[6].error
