"""`--flash` and `--ram`: the widest network that fits, and what is said where none does."""

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import UsageError
from edgesoft.exporting.budget import fitted, int8_cost
from edgesoft.model.file import open_model
from edgesoft.model.network import read_network
from edgesoft.settings import read_settings
from edgesoft.targets.cost import cost
from edgesoft.training.settings import TrainSettings, settings_for
from tests.training.test_heads_and_kinds import pictures, table

LARGER = {
    "conv": lambda stages: tuple(tuple(2 * count for count in stage) for stage in stages),
    "mlp": lambda hidden: tuple(2 * width for width in hidden),
}


def chosen(dataset, **given):
    settings = settings_for(len(dataset.train), dataset.input, read_settings([TrainSettings], given))
    return fitted(settings, dataset, is_chosen=not {"channels", "hidden"}.isdisjoint(given))


@pytest.mark.parametrize("given", [{"flash": "3k"}, {"ram": 1500}, {"flash": "64k", "ram": "1k"}], ids=str)
@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_the_widest_that_fits(network, given):
    dataset = pictures(3)
    settings = chosen(dataset, network=network, **given)
    found = int8_cost(settings.architecture(dataset.input.shape, len(dataset.labels)), dataset.first_layers)
    flash, ram = settings.flash or 10**9, settings.ram or 10**9
    assert found.constant_bytes <= flash
    assert found.ram_bytes <= ram
    wider = (
        {"channels": LARGER["conv"](settings.channels)}
        if network == "conv"
        else {"hidden": LARGER["mlp"](settings.hidden)}
    )
    with pytest.raises(UsageError, match=r"does not fit, the widest of this form that does is --(channels|hidden) \d"):
        chosen(dataset, network=network, **given, **wider)


def test_a_table_has_its_scaling_counted():
    dataset = table(3)
    settings = chosen(dataset, flash=400)
    assert (
        0
        < int8_cost(
            settings.architecture(dataset.input.shape, len(dataset.labels)), dataset.first_layers
        ).constant_bytes
        <= 400
    )
    assert len(settings.hidden) == 2


def test_what_fits_nowhere():
    with pytest.raises(
        UsageError,
        match=r"^even the narrowest network .* takes .* bytes of flash and .* of RAM, with 20 of flash allowed",
    ):
        chosen(pictures(1), network="conv", flash=20)
    with pytest.raises(UsageError, match=r"^--hidden none takes .* and so does no narrower one"):
        chosen(pictures(1), hidden="none", flash=20)
    assert chosen(pictures(1), hidden="none", flash="1k").hidden == ()


@pytest.mark.parametrize(
    "size", ["", "k", "8 k", "1.5k", "-1", -1, "8g", "64kk", "64mk", "0x10", True, 2.0, "9" * 30, "2000m"]
)
def test_sizes_that_are_none(size):
    with pytest.raises(UsageError, match=r'^--flash .*: expected a number of bytes such as 65536 or "64k"'):
        read_settings([TrainSettings], {"flash": size})


@pytest.mark.parametrize(
    ("size", "expected"), [("64k", 65536), ("64KB", 65536), (" 1M ", 2**20), ("1000", 1000), (1000, 1000)]
)
def test_sizes_as_people_write_them(size, expected):
    assert read_settings([TrainSettings], {"flash": size})["flash"] == expected


def test_what_is_promised_is_what_the_file_takes(tmp_path):
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (90, 8, 8), dtype=np.uint8), np.arange(90) % 3
    x[y == 1, :4] //= 4
    x[y == 2, 4:] //= 4
    run = edgesoft.train(x, y, network="conv", flash="2k", epochs=20, augment=False, threads=1, output=tmp_path / "run")
    edgesoft.export(run, output=tmp_path / "exported", max_drop=100)
    model = open_model(tmp_path / "exported" / "model.int8.onnx")
    found = cost(read_network(model), model.card.input.shape)
    assert found == int8_cost(run.settings.architecture(run.dataset.input.shape, 3), run.dataset.first_layers)
    assert found.constant_bytes <= 2048
