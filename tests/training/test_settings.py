import pytest

from edgesoft.errors import UsageError
from edgesoft.training.settings import TrainSettings, parse_hidden


@pytest.mark.parametrize(
    ("text", "widths"),
    [("520,320", (520, 320)), ("7", (7,)), ("none", ()), (" None ", ()), (" 5 , 6 ", (5, 6)), ("65536", (65536,))],
)
def test_hidden_layers(text, widths):
    assert parse_hidden(text) == widths


@pytest.mark.parametrize(
    "text", ["", "0", "-3", "520,", ",", "5.5", "1e3", "a,b", "65537", "520;320", "nan", "5,0,3", "[5]"]
)
def test_what_are_no_hidden_layers(text):
    with pytest.raises(UsageError, match='expected widths from 1 to 65536 such as "520,320,240,120", or "none"'):
        parse_hidden(text)


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


def test_there_and_back():
    config = TrainSettings(hidden=(3, 4), seed=7)
    assert TrainSettings.from_json(config.to_json()) == config
    with pytest.raises((TypeError, KeyError)):
        TrainSettings.from_json({"epochs": 3})
