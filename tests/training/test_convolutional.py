"""`--network conv`: settings, presets, and that a run is resumed to the bit."""

import dataclasses

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import UsageError
from edgesoft.model.architecture import Architecture, stages_text
from edgesoft.settings import read_settings
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.results import Watcher
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import PRESETS, TrainSettings, settings_for, stages_for
from edgesoft.training.size import check_size
from edgesoft.training.train import train
from tests.training.test_heads_and_kinds import pictures

CONFIG = TrainSettings(network="conv", channels=((3,), (4, 4)), hidden=(), epochs=4, batch_size=32, threads=1)


@pytest.mark.parametrize(
    ("given", "stages"),
    [
        ("16,32", ((16,), (32,))),
        (" 16 , 8 + 4 ", ((16,), (8, 4))),
        ([16, [8, 4]], ((16,), (8, 4))),
        ("Tiny", "tiny"),
        ((), ()),
    ],
    ids=str,
)
def test_channels_as_people_write_them(given, stages):
    assert read_settings([TrainSettings], {"channels": given})["channels"] == stages


@pytest.mark.parametrize(
    "given",
    [
        "",
        "16,",
        "16+",
        "0",
        "-3",
        "1_6",
        "16 32",
        "big",
        "16.0",
        [1.5],
        [[]],
        [True],
        [[16], "8"],
        "9" * 5000,
        "1," * 500 + "1",
        16,
    ],
)
def test_channels_that_are_none(given):
    with pytest.raises(UsageError, match=r"^--channels .*: expected channels from 1 to 65536 such as"):
        read_settings([TrainSettings], {"channels": given})


def test_what_does_not_go_together(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    pixels = np.zeros((60, 8, 8), np.uint8)
    output = tmp_path / "run"
    for arguments, message in (
        ((rows, rows[:, 0] > 0, {"network": "conv"}), "--network conv: convolutional networks take pictures"),
        ((pixels, rows[:, 0] > 0, {"channels": "8"}), "--channels 8: an MLP has no convolutions; add --network conv"),
        ((pixels, rows[:, 0] > 0, {"network": "cnn"}), "--network 'cnn': expected mlp, conv or auto"),
    ):
        x, y, settings = arguments
        with pytest.raises(UsageError, match=f"^{message}"):
            edgesoft.train(x, y, output=output, **settings)
        assert not output.exists()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("side", [1, 2, 5, 8, 28, 32, 48, 96, 224, 640])
def test_a_preset_suits_pictures_of_any_size(preset, side):
    """However large they are, most of the weights do not end up in the linear layer."""
    for shape in ((side, side), (side, side // 2 + 1, 3)):
        stages = stages_for(preset, shape)
        assert stages[: len(PRESETS[preset])] == PRESETS[preset]
        *_, last = Architecture(shape, stages, (), 10).weight_shapes
        assert last[1] <= 49 * stages[-1][-1]


def test_more_parameters_than_a_file_holds():
    with pytest.raises(
        UsageError, match=r"3x3 convolutions 5000,5000 on 784 inputs have .* Choose a smaller --size or --channels"
    ):
        check_size(Architecture((28, 28), ((5000,), (5000,)), (), 10))


def test_resumed_to_the_bit(tmp_path):
    dataset = pictures(3)
    whole = train(dataset, CONFIG, RunFolder(tmp_path / "whole"))
    folder = RunFolder(tmp_path / "parts")

    def stop(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    assert train(dataset, CONFIG, folder, on_epoch=stop).interrupted
    resumed = train(dataset, CONFIG, folder, resume=True)
    assert [dataclasses.replace(epoch, seconds=0) for epoch in resumed.epochs] == [
        dataclasses.replace(epoch, seconds=0) for epoch in whole.epochs
    ]
    expected, found = (Checkpoint.load(run.folder.checkpoint).to_arrays() for run in (whole, resumed))
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


def test_what_is_judged_is_what_learned(tmp_path):
    """Batch normalisation is folded into the convolutions, before or behind the pooling: the same logits."""
    import torch

    from edgesoft.training.network import LearningNetwork, SoftmaxNetwork

    architecture = Architecture((9, 8, 3), ((5,), (4, 6)), (), 3)
    generator = torch.Generator().manual_seed(1)
    network = LearningNetwork(SoftmaxNetwork.untrained(architecture, (), generator), batch_norm=True)
    pixels = torch.randint(0, 256, (200, 9, 8, 3), generator=generator).to(torch.uint8)
    for _ in range(30):  # so that the running means are not those of the beginning
        network.train()(network.network.prepare(pixels) - 0.5)
    with torch.no_grad():
        for norm in network.norms:
            norm.bias.uniform_(-1, 1, generator=generator)
        expected = network.eval()(network.network.prepare(pixels))
        found = network.fold()(network.network.prepare(pixels))
    assert (expected - found).abs().max() < 1e-4
    assert expected.std() > 0.01


def test_stages_are_written_as_they_are_read():
    for text in ("16", "16,32,32", "16+16,32+32,64"):
        assert stages_text(read_settings([TrainSettings], {"channels": text})["channels"]) == text


def test_several_convolutions_a_stage_learn_longer(mnist):
    def epochs(**given):
        return settings_for(55_000, mnist.input, {"network": "conv", **given}).epochs

    assert epochs(channels="small") == epochs(channels=((32,), (64,))) == 14
    assert epochs(channels="base") == epochs(channels=((16,), (32, 32))) == 22
    assert epochs(channels="base", epochs=3) == 3
    assert (
        settings_for(500, mnist.input, {"network": "conv", "channels": "base"}).epochs > 22
    )  # few examples, many passes


def test_auto_takes_what_the_validation_split_likes_better(tmp_path):
    """A mark anywhere in the picture: convolutions find it after one epoch, an MLP has to learn each place."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 100, (500, 12, 12), dtype=np.uint8), np.arange(500) % 2
    for place in range(500):
        row, column = generator.integers(0, 9, 2)
        x[place, row : row + (3 if y[place] else 1), column : column + (1 if y[place] else 3)] = 255
    probes = []
    watcher = Watcher(on_probe=lambda settings, epoch: probes.append((settings.network, epoch.validation_loss)))
    settings = {"epochs": 15, "hidden": "16", "channels": "6,6", "augment": False, "threads": 1}
    run = edgesoft.train(x, y, network="auto", output=tmp_path / "run", watcher=watcher, **settings)
    assert [network for network, _ in probes] == ["mlp", "conv"]
    best = min(probes, key=lambda probe: probe[1])[0]
    assert run.settings.network == best == "conv"
    assert (run.settings.channels, run.settings.hidden, len(run.epochs)) == (((6,), (6,)), (), 15)
    with pytest.raises(UsageError, match="convolutional networks take pictures"):
        edgesoft.train(x.reshape(500, -1)[:, :5].astype(float), y, network="conv", output=tmp_path / "other")
