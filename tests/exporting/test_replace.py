"""Without --overwrite nothing is replaced but an earlier model of the same data that is no better."""

import dataclasses
import json

import pytest

from edgesoft.errors import EdgesoftError, GateMissedError
from edgesoft.exporting.publish import publish
from tests import edits


@pytest.fixture(autouse=True)
def one_page(exported, monkeypatch):
    """Each publication would draw the same page again, in more time than all the rest of it."""
    page = (exported / "mnist.report.html").read_text(encoding="utf-8")
    monkeypatch.setattr("edgesoft.exporting.publish.report_html", lambda *_: page)


@pytest.fixture
def folder(exported, tmp_path):
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def content(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def refused(result, dataset, folder, message, error=EdgesoftError):
    before = content(folder)
    with pytest.raises(error, match=message):
        publish(result, dataset, folder)
    assert content(folder) == before


def with_accuracy(path, accuracy):
    """The file at `path`, as if it had been measured otherwise."""

    def change(model):
        parity = edits.card(model)["parity"]
        edits.edit_card(model, parity={**parity, "accuracy": accuracy})

    edits.edited(path, path, change)


def test_the_same_model_again_just_works(tiny_export, mnist, folder):
    before = content(folder)
    publish(tiny_export, mnist, folder)
    after = content(folder)
    assert {name: after[name] for name in after if name.endswith(".onnx")} == {
        name: before[name] for name in before if name.endswith(".onnx")
    }


def test_a_better_model_replaces_a_worse_one(tiny_export, mnist, folder):
    with_accuracy(folder / "mnist.onnx", 0.5)
    with_accuracy(folder / "mnist.int8.onnx", 0.5)
    publish(tiny_export, mnist, folder)
    assert (folder / "mnist.onnx").read_bytes() == tiny_export.float_model.content


@pytest.mark.parametrize("name", ["mnist.onnx", "mnist.int8.onnx"])
def test_a_better_model_stays_and_it_is_said_by_how_much(tiny_export, mnist, folder, name):
    with_accuracy(folder / name, 0.99)
    new = tiny_export.float_model if name == "mnist.onnx" else tiny_export.int8_model
    accuracy = new.parity.candidate_accuracy
    message = (
        rf"{name}: is right on 99.00 % of the 10,000 test examples, what would take its place on {100 * accuracy:.2f} %: "
        rf"{100 * (0.99 - accuracy):.2g} points worse. Nothing was replaced. .*--overwrite"
    )
    refused(tiny_export, mnist, folder, message, GateMissedError)
    publish(tiny_export, mnist, folder, overwrite=True)
    assert (folder / name).read_bytes() == new.content


def test_an_int8_file_goes_only_for_a_float_file_that_is_no_worse(tiny_export, mnist, folder):
    without = dataclasses.replace(tiny_export, attempts=())
    with_accuracy(folder / "mnist.int8.onnx", 0.99)
    refused(without, mnist, folder, r"mnist\.int8\.onnx: is right on 99.00 %", GateMissedError)
    with_accuracy(folder / "mnist.int8.onnx", 0.1)
    publish(without, mnist, folder)
    assert not (folder / "mnist.int8.onnx").exists()


@pytest.mark.parametrize("suffix", [".onnx", ".int8.onnx", ".report.json", ".report.html"])
@pytest.mark.parametrize("foreign", [b"", b"mine", b"{}", b"[]", b"<html>mine</html>", b"\x08\x08"], ids=str)
def test_what_edgesoft_did_not_write_stays(tiny_export, mnist, tmp_path, suffix, foreign):
    path = tmp_path / f"mnist{suffix}"
    path.write_bytes(foreign)
    refused(tiny_export, mnist, tmp_path, rf"mnist{suffix}: .*--overwrite")
    publish(tiny_export, mnist, tmp_path, overwrite=True)
    assert path.read_bytes() != foreign


def test_a_model_of_other_data_stays(tiny_export, mnist, folder):
    def other_data(model):
        training = edits.card(model)["training"]
        edits.edit_card(model, training={**training, "data": "digits", "data_sha256": "0" * 64})

    edits.edited(folder / "mnist.onnx", folder / "mnist.onnx", other_data)
    refused(tiny_export, mnist, folder, r"mnist\.onnx: is a model of other data \(digits\), and is not replaced")


def test_a_model_that_does_not_say_its_data_stays(tiny_export, mnist, folder):
    edits.edited(folder / "mnist.onnx", folder / "mnist.onnx", lambda model: edits.edit_card(model, training=None))
    refused(tiny_export, mnist, folder, "is a model of data that nobody knows")


def test_a_model_with_other_labels_stays(tiny_export, mnist, folder):
    labels = list("9876543210")
    edits.edited(folder / "mnist.onnx", folder / "mnist.onnx", lambda model: edits.edit_card(model, labels=labels))
    refused(tiny_export, mnist, folder, "is a model with other labels")


def test_a_file_that_was_changed_after_its_export_is_mended_by_another_export(tiny_export, mnist, folder):
    """That is what the message of every other command advises."""

    def better(model):
        edits.edit_card(model, parity={**edits.card(model)["parity"], "accuracy": 1.0})

    edits.edited(folder / "mnist.onnx", folder / "mnist.onnx", better, fresh_digests=False)
    publish(tiny_export, mnist, folder)
    assert (folder / "mnist.onnx").read_bytes() == tiny_export.float_model.content


def test_other_files_of_the_folder_stay(tiny_export, mnist, folder):
    mine = {"digits.onnx": b"mine", "mnist.onnx.bak": b"mine", "mnist-2.report.json": b"mine", ".mnist": b"mine"}
    for name, text in mine.items():
        (folder / name).write_bytes(text)
    publish(tiny_export, mnist, folder, overwrite=True)
    assert {name: content(folder)[name] for name in mine} == mine


def test_the_report_is_known_again(exported):
    report = json.loads((exported / "mnist.report.json").read_text())
    assert {"schema_version", "checkpoint_sha256", "float32"} <= set(report)
    assert b'content="edgesoft"' in (exported / "mnist.report.html").read_bytes()[:2048]
