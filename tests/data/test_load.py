import pytest

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("notes.txt", "notes.txt: the name of this file does not say what it holds. Expected"),
        ("no.txt", "no.txt: no such file or folder. Expected"),
        ("no/where", "no/where: no such file or folder. Expected"),
        ("mnits", "mnits: no such data set. .* Did you mean mnist?"),
        ("photographs", "photographs: no such data set. .* Known sets: mnist, "),
    ],
)
def test_what_is_no_data_set_is_told_apart(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("a,b\n")
    with pytest.raises(EdgesoftError, match=message):
        load_dataset(DataSettings(source=source))


def test_examples_that_are_all_the_same_teach_nothing(tmp_path):
    path = tmp_path / "same.csv"
    path.write_text("a,b,y\n" + "1,2,x\n1,2,z\n" * 20)
    with pytest.raises(EdgesoftError, match="same.csv: all training examples hold the same values"):
        load_dataset(DataSettings(source=str(path), target="y"))
    path.write_text("a,b,y\n" + "1,2,x\n1,3,z\n" * 20)
    assert any(
        "never change" in warning for warning in load_dataset(DataSettings(source=str(path), target="y")).warnings
    )
