import json

from tests import edits


def test_the_json_contract(cli, exported):
    ended = cli("diff", exported / "mnist.onnx", exported / "mnist.int8.onnx", "--json")
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    assert list(document) == [
        "schema_version",
        "old",
        "new",
        "fields",
        "labels_reordered",
        "golden_examples",
        "golden_changes",
    ]
    assert document["fields"]["precision"] == ["float32", "int8"]
    for change in document["golden_changes"]:
        assert list(change) == ["carried_by", "example", "right", "old", "new"]


def test_no_differences(cli, model):
    ended = cli("diff", model, model)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("no differences\n")


def test_a_new_order_of_the_labels_is_a_warning(cli, model, tmp_path):
    path = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, labels=edits.card(model)["labels"][::-1])
    )
    ended = cli("diff", model, path)
    assert ended.code == 0
    assert ended.one_line().startswith("warning: the same labels stand in another order")
    assert "golden example" in ended.out
