import hashlib
import json
from pathlib import Path

import pytest

from edgesoft.training.checkpoint import Checkpoint
from tests import edits

PARITY = {
    "examples", "max_logit_difference", "mean_logit_difference", "max_probability_difference", "label_changes",
    "reference_accuracy", "candidate_accuracy", "lost", "won",
}  # fmt: skip


def test_an_intact_file(cli, model):
    ended = cli("verify", model)
    assert ended.code == 0
    assert ended.err == ""
    assert "as exported      bit for bit" in ended.out
    assert ended.out.endswith(f"verified         {model}\n")


def test_the_json_contract(cli, model):
    ended = cli("verify", model, "--json")
    report = json.loads(ended.out)
    assert list(report) == [
        "schema_version", "passed", "path", "sha256", "precision", "provider", "examples", "reference", "expected", "findings", "against"
    ]  # fmt: skip
    assert report["passed"] is True
    assert set(report["expected"]) == set(report["reference"]) == PARITY
    assert (report["findings"], report["against"], report["path"]) == ([], None, str(model))


def test_the_whole_file_is_held_to_a_number_that_came_another_way(cli, model, tmp_path):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    shown = cli("verify", model)
    assert f"sha256           {digest}\n" in shown.out
    assert cli("verify", model, "--sha256", digest.upper()).out == shown.out
    # Somebody who changes the file and its digests cannot change what they do not hold.
    forged = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, name="other"), fresh_digests=True
    )
    assert cli("verify", forged).code == 0
    for other in (forged, __file__):
        ended = cli("verify", other, "--sha256", digest)
        assert (ended.code, ended.out) == (3, "")
        found = hashlib.sha256(Path(other).read_bytes()).hexdigest()
        assert ended.one_line().startswith(
            f"error: {other}: is another file: its SHA-256 is {found}, expected {digest}."
        )


@pytest.mark.parametrize("number", ["0" * 63, "0" * 65, "g" * 64, "\u0660" * 64, "sha256:" + "0" * 64])
def test_what_is_no_sha256(cli, model, number):
    ended = cli("verify", model, "--sha256", number)
    assert ended.code == 2
    assert "expected the 64 hexadecimal digits" in ended.one_line()


def test_data_without_a_checkpoint_to_compare_with_are_refused(cli, model):
    ended = cli("verify", model, "--data", "mnist")
    assert (ended.code, ended.one_line()) == (2, "error: --data mnist: goes with --against CHECKPOINT only")


@pytest.mark.parametrize("fresh_digests", [False, True], ids=["stale digest", "fresh digest"])
def test_a_changed_file_exits_with_3_and_names_the_stage(cli, model, tmp_path, fresh_digests):
    def change(model):
        name = "weight1_scale" if edits.has(model, "weight1_scale") else "weight1"
        edits.set_constant(model, name, edits.constant(model, name) * 1.5)

    path = edits.edited(model, tmp_path / "m.onnx", change, fresh_digests=fresh_digests)
    ended = cli("verify", path, "--json")
    assert ended.code == 3
    report = json.loads(ended.out)
    assert report["passed"] is False
    assert {"stage", "message"} == set(report["findings"][0])
    assert [finding["stage"] for finding in report["findings"]] == (["graph"] if fresh_digests else ["file", "graph"])
    assert ended.one_line().startswith(
        f"error: {path}: not verified; what differs: {'graph' if fresh_digests else 'file, graph'}."
    )
    text = cli("verify", path)
    assert text.code == 3
    assert "verified  " not in text.out
    assert "Traceback" not in text.err


def test_not_a_number_is_null_in_json_and_no_warning_reaches_the_terminal(cli, exported, tmp_path):
    def change(model):
        edits.set_constant(model, "weight0", edits.constant(model, "weight0") * float("nan"))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    ended = cli("verify", path, "--json")
    assert ended.code == 3
    assert json.loads(ended.out, parse_constant=pytest.fail)["expected"]["max_logit_difference"] is None
    ended.one_line()


def test_against_the_checkpoint_it_came_from(cli, model, tiny_run):
    ended = cli("verify", model, "--against", tiny_run.path, "--json")
    against = json.loads(ended.out)["against"]
    assert ended.code == 0
    assert against["examples"] == 10_000
    assert abs(against["reference_accuracy"] - against["candidate_accuracy"]) < 0.001


def test_against_another_checkpoint(cli, exported, tiny_checkpoint, tmp_path):
    import dataclasses

    trained = Checkpoint.load(tiny_checkpoint)
    *layers, last = trained.layers
    layers.append(dataclasses.replace(last, bias=last.bias + 0.1))
    card = dataclasses.replace(trained.card, labels=tuple("1023456789"))
    dataclasses.replace(trained, card=card, layers=tuple(layers)).save(tmp_path / "c.npz")
    ended = cli("verify", exported / "mnist.onnx", "--against", "c.npz", "--data", "mnist", "--json")
    assert ended.code == 3
    assert {finding["stage"] for finding in json.loads(ended.out)["findings"]} == {"labels", "pytorch"}


def test_against_with_a_file_that_cannot_run(cli, exported, tiny_checkpoint, tmp_path):
    def change(model):
        model.graph.node.remove(edits.node(model, "Softmax"))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    ended = cli("verify", path, "--against", tiny_checkpoint)
    assert (ended.code, ended.out) == (3, "")
    assert "what differs: graph" in ended.err


def test_a_checkpoint_that_is_none(cli, exported, tmp_path):
    (tmp_path / "c.npz").write_bytes(b"junk")
    for name in ("c.npz", "missing.npz"):
        ended = cli("verify", exported / "mnist.onnx", "--against", name)
        assert (ended.code, ended.out) == (1, "")
        assert ended.one_line().startswith(f"error: {name}: ")
