import dataclasses
import typing

import numpy as np
import pytest

from edgesoft.data.settings import DataSettings
from edgesoft.errors import UsageError
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.settings import described, read_settings
from edgesoft.training.settings import TrainSettings


def hidden(given):
    return read_settings([TrainSettings], {"hidden": given})["hidden"]


@pytest.mark.parametrize(
    ("given", "widths"),
    [
        ("520,320", (520, 320)), ("7", (7,)), ("none", ()), (" None ", ()), (" 5 , 6 ", (5, 6)), ("65536", (65536,)),
        ([16, 8], (16, 8)), ((16,), (16,)), ([], ()),
    ],
)  # fmt: skip
def test_hidden_layers(given, widths):
    assert hidden(given) == widths


@pytest.mark.parametrize(
    "given",
    [
        "", "0", "-3", "520,", ",", "5.5", "1e3", "a,b", "65537", "520;320", "nan", "5,0,3", "[5]", "9" * 5000,
        [0], [1.5], [True], ["a"], [2**70],
    ],
)  # fmt: skip
def test_what_are_no_hidden_layers(given):
    with pytest.raises(
        UsageError, match='expected widths from 1 to 65536 such as "520,320,240,120", at most 100 of them, or "none"'
    ) as caught:
        hidden(given)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("given", "size"), [("32", (32, 32)), ("64x48", (48, 64)), (32, (32, 32)), ([48, 64], (48, 64)), ((1, 2), (1, 2))]
)
def test_sizes(given, size):
    assert DataSettings(**read_settings([DataSettings], {"size": given})).size == size


@pytest.mark.parametrize("given", ["", "x", "1x2x3", "-3", "\u0663", "9" * 5000, [1], [1, 2, 3], ["a", "b"], [1.5, 2]])
def test_what_are_no_sizes(given):
    with pytest.raises(UsageError, match="--size .*: expected 1 to 1024 pixels a side"):
        read_settings([DataSettings], {"size": given})


def test_a_size_out_of_range():
    with pytest.raises(UsageError, match="expected 1 to 1024 pixels a side"):
        DataSettings(**read_settings([DataSettings], {"size": "2000"}))


@pytest.mark.parametrize("given", ["a, b", ["a", "b"], ("a", "b")])
def test_columns(given):
    assert read_settings([DataSettings], {"ignore_columns": given}) == {"ignore_columns": ("a", "b")}


def test_what_stands_in_a_description_holds():
    """Every default is in its range and comes back through the form in which it may be given; every field is described."""
    for kind in (DataSettings, TrainSettings, Gate, QuantizeSettings):
        assert list(described(kind)) == [item.name for item in dataclasses.fields(kind)]
        types = typing.get_type_hints(kind)
        for name, item in described(kind).items():
            default = getattr(kind(), name)
            assert item.help and not item.help.endswith("."), name
            assert item.expected
            if default is not None:
                assert item.holds(default)
                assert read_settings([kind], {name: default}) == {name: default}
            if item.takes == (bool,):
                assert types[name] in (bool, bool | None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'. Did you mean 'epochs'"),
        ({"zzz": 3}, "unknown setting 'zzz'. There are network, channels, hidden, "),
        ({"epochs": "3"}, "epochs '3': expected a whole number from 1 to 1,000,000, not text"),
        ({"epochs": True}, "epochs True: expected a whole number"),
        ({"epochs": 3.0}, r"epochs 3\.0: expected a whole number"),
        ({"lr": True}, "lr True: expected a number above 0"),
        ({"augment": 1}, "augment 1: expected true or false"),
        ({"hidden": 3}, "hidden 3: expected widths"),
    ],
)
def test_what_is_no_setting(given, message):
    with pytest.raises(UsageError, match=f"^here: {message}"):
        read_settings([TrainSettings], given, "here: ")


def test_none_was_not_given_an_integer_is_a_number_and_a_dash_an_underscore():
    found = read_settings([TrainSettings], {"lr": 1, "epochs": None, "weight-decay": 0})
    assert found == {"lr": 1.0, "weight_decay": 0.0}
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epochs": -1},
        {"batch_size": 0},
        {"lr": 0.0},
        {"lr": -1.0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"weight_decay": -0.1},
        {"weight_decay": float("nan")},
        {"label_smoothing": 1.0},
        {"label_smoothing": -0.1},
        {"label_smoothing": float("nan")},
        {"seed": -1},
        {"seed": 2**63},
        {"threads": -1},
        {"threads": 10**6},
        {"device": "tpu"},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_usage_errors(changes):
    with pytest.raises(UsageError, match="expected") as caught:
        TrainSettings(**changes)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers():
    """Searches over settings hand them over."""
    given = {"epochs": np.int64(3), "lr": np.float32(0.5), "hidden": np.array([5, 6]), "augment": np.bool_(False)}
    assert read_settings([TrainSettings], given) == {"epochs": 3, "lr": 0.5, "hidden": (5, 6), "augment": False}
    assert read_settings([TrainSettings], {"hidden": (np.int64(4),)}) == {"hidden": (4,)}
    for wrong in (np.float64(2.5), np.array([3]), np.array("3")):
        with pytest.raises(UsageError, match="--epochs"):
            read_settings([TrainSettings], {"epochs": wrong})


@pytest.mark.parametrize("name", ["flash", "ram"])
def test_no_room_at_all_is_not_any_amount_of_it(name):
    for nothing in ("0", "0k", "00"):
        with pytest.raises(UsageError, match=f"--{name} '{nothing}': expected a number of bytes"):
            read_settings([TrainSettings], {name: nothing})


def test_there_and_back():
    config = TrainSettings(hidden=(3, 4), seed=7)
    assert TrainSettings.from_json(config.to_json()) == config
    with pytest.raises(KeyError):
        TrainSettings.from_json({"epochs": 3})
    with pytest.raises(UsageError):
        TrainSettings.from_json({**config.to_json(), "more": 3})
