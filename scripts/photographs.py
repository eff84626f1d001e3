"""Measures training on photographs against a plain PyTorch network of the same size: python scripts/photographs.py --seeds 3.

The pictures come with scikit-image, scikit-learn and matplotlib. Each is cut into tiles, and each tile belongs to one split, so that no
crop of the test split overlaps one that was learned from. Both networks keep the epoch that the validation split likes best.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from measuring import say, table
from PIL import Image, ImageDraw, ImageFont
from torch import nn
from torch.nn import functional

import edgesoft
from edgesoft.model.architecture import Stages
from edgesoft.training.settings import stages_for

SIDE, EPOCHS, PAD = 32, 40, 4
SPLITS = ("train", "validation", "test")
BUNDLED = "skimage/data/"
SCENES = [
    *(
        f"{BUNDLED}{name}"
        for name in ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")
    ),
    *(f"{BUNDLED}{name}" for name in ("hubble_deep_field.jpg", "ihc.png")),
    *(f"sklearn/datasets/images/{name}" for name in ("china.jpg", "flower.jpg")),
]
TEXTURES = [
    *(f"{BUNDLED}{name}" for name in ("grass.png", "gravel.png", "brick.png", "coins.png")),
    *(f"{BUNDLED}{name}" for name in ("retina.jpg", "ihc.png", "coffee.png")),
]
LETTERS = "bdpqszLJ69"
FONTS = ("DejaVuSans", "DejaVuSerif", "STIXGeneral", "cmr10", "cmb10", "cmss10", "cmtt10")
Tiles = Mapping[str, list[np.ndarray]]
Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]


def tiles(path: str, mode: str) -> Tiles:
    """The tiles of a picture, half of them for training, a quarter each for validation and test."""
    package, _, name = path.partition("/")
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is missing. Install it: pip install scikit-image scikit-learn")
    picture = Image.open(Path(found.origin).parent / name).convert(mode)
    picture.thumbnail((900, 900))
    pixels = np.asarray(picture)
    rows, columns = (length // (2 * SIDE) for length in pixels.shape[:2])
    parts = [part for row in np.array_split(pixels, rows) for part in np.array_split(row, columns, axis=1)]
    order = np.random.default_rng(1).permutation(len(parts))
    cuts = (len(parts) // 2, len(parts) * 3 // 4)
    return {split: [parts[i] for i in chosen] for split, chosen in zip(SPLITS, np.split(order, cuts), strict=True)}


def crop(tile: np.ndarray, rng: np.random.Generator, zoom: float, light: float) -> Image.Image:
    """A square of a tile, at some size and in some light."""
    side = min(int(rng.integers(SIDE, int(SIDE * zoom) + 1)), *tile.shape[:2])
    y, x = (int(rng.integers(0, length - side + 1)) for length in tile.shape[:2])
    square = Image.fromarray(tile[y : y + side, x : x + side]).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels, contrast, shift = np.asarray(square).astype(float), np.exp(rng.normal(0, light)), rng.normal(0, 60 * light)
    mean = pixels.mean()
    return Image.fromarray(np.clip((pixels - mean) * contrast + mean + shift, 0, 255).astype(np.uint8))


def crops(paths: Sequence[str], mode: str, count: int, *, zoom: float, light: float) -> Arrays:
    """Which picture is this a crop of: so many a class to learn from."""
    rng, sources = np.random.default_rng(count), [tiles(path, mode) for path in paths]
    counts = {"train": count, "validation": max(15, count // 2), "test": 100}
    return {
        split: gathered(
            [
                (crop(source[split][i % len(source[split])], rng, zoom, light), label)
                for label, source in enumerate(sources)
                for i in range(number)
            ]
        )
        for split, number in counts.items()
    }


def letters(count: int) -> Arrays:
    """Which letter stands on this photograph, in fonts of each split's own; a flipped b is a d."""
    rng, sources = np.random.default_rng(5), [tiles(path, "RGB") for path in SCENES]
    fonts = sorted((Path(mpl.get_data_path()) / "fonts/ttf").glob("*.ttf"))
    fonts = [font for font in fonts if font.name.startswith(FONTS) and "Display" not in font.name]

    def letter(text: str, part: int) -> Image.Image:
        source = sources[rng.integers(len(sources))][SPLITS[part]]
        picture = crop(source[rng.integers(len(source))], rng, 1.6, 0.1)
        path = fonts[rng.integers(len(fonts) // 3) * 3 + part]
        font = ImageFont.truetype(str(path), int(rng.integers(20, 29)))
        mean, step = np.asarray(picture).mean((0, 1)), rng.uniform(50, 120)
        colour = np.clip(np.where(mean > 128, mean - step, mean + step) + rng.normal(0, 15, 3), 0, 255)
        left, top, right, bottom = font.getbbox(text)
        place = (
            (SIDE - left - right) / 2 + rng.uniform(-3, 3),
            (SIDE - top - bottom) / 2 + rng.uniform(-3, 3),
        )
        ImageDraw.Draw(picture).text(place, text, font=font, fill=tuple(int(value) for value in colour))
        return picture

    return {
        split: gathered([(letter(text, part), label) for label, text in enumerate(LETTERS) for _ in range(number)])
        for part, (split, number) in enumerate(zip(SPLITS, (count, count // 2, 100), strict=True))
    }


def gathered(examples: Sequence[tuple[Image.Image, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([np.asarray(picture) for picture, _ in examples]), np.array([label for _, label in examples])


def plain(data: Arrays, stages: Stages, seed: int, *, flips: bool) -> tuple[float, float]:
    """Validation and test accuracy of what many would write: AdamW, one cycle, standardised inputs, random crops and flips."""
    torch.manual_seed(seed)
    inputs = {split: torch.from_numpy(x).float().reshape(len(x), SIDE, SIDE, -1) for split, (x, _) in data.items()}
    targets = {split: torch.from_numpy(y) for split, (_, y) in data.items()}
    mean, std = inputs["train"].mean((0, 1, 2)), inputs["train"].std((0, 1, 2))
    x = {split: ((values - mean) / std).permute(0, 3, 1, 2).contiguous() for split, values in inputs.items()}
    width, layers = x["train"].shape[1], list[nn.Module]()
    for stage in stages:
        for channels in stage:
            layers += [nn.Conv2d(width, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
            width = channels
        layers.append(nn.MaxPool2d(2))
    flat = width * (SIDE >> len(stages)) ** 2
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, int(targets["train"].max()) + 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    steps = -(-len(x["train"]) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs=EPOCHS, steps_per_epoch=steps)

    def accuracy(split: str) -> float:
        with torch.no_grad():
            return float((network.eval()(x[split]).argmax(1) == targets[split]).float().mean())

    best, kept = -1.0, dict[str, torch.Tensor]()
    for _ in range(EPOCHS):
        network.train()
        for chosen in torch.randperm(len(x["train"])).split(32):
            wide = functional.pad(x["train"][chosen], (PAD, PAD, PAD, PAD))
            corners = torch.randint(0, 2 * PAD + 1, (len(chosen), 2)).tolist()
            batch = torch.stack(
                [item[:, r : r + SIDE, c : c + SIDE] for item, (r, c) in zip(wide, corners, strict=True)]
            )
            if flips:
                batch = torch.where(torch.rand(len(chosen), 1, 1, 1) < 0.5, batch.flip(-1), batch)
            loss = functional.cross_entropy(network(batch), targets["train"][chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if accuracy("validation") >= best:
            best, kept = accuracy("validation"), {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return best, accuracy("test")


def ours(data: Arrays, seed: int, **settings: Any) -> tuple[float, float]:
    """Validation and test accuracy of `edgesoft.train`."""
    with tempfile.TemporaryDirectory() as folder:
        held = {split: data[split] for split in SPLITS[1:]}
        run = edgesoft.train(*data["train"], **held, seed=seed, threads=1, output=Path(folder) / "run", **settings)
    assert run.accuracy is not None
    return run.best.validation_accuracy, run.accuracy


def mean(values: Sequence[float]) -> str:
    """The mean, and the smallest and largest in brackets."""
    return f"{statistics.mean(values):.1f} % ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--channels", default="small", help="a preset of edgesoft train --channels")
    given = parser.parse_args()
    torch.set_num_threads(1)
    stages = stages_for(given.channels, (SIDE, SIDE))
    sets = {
        "scenes, 60 a class": crops(SCENES, "RGB", 60, zoom=1.6, light=0.15),
        "scenes, 30 a class": crops(SCENES, "RGB", 30, zoom=2.0, light=0.3),
        "textures, 60 a class": crops(TEXTURES, "L", 60, zoom=1.6, light=0.3),
        "letters, 60 a class": letters(60),
    }
    kinds = {
        "plain PyTorch": lambda name, seed: plain(sets[name], stages, seed, flips=not name.startswith("letters")),
        "`--network conv`": lambda name, seed: ours(sets[name], seed, network="conv", channels=given.channels),
        "MLP": lambda name, seed: ours(sets[name], seed),
    }
    found: dict[tuple[str, str], list[float]] = {(name, kind): [] for name in sets for kind in kinds}
    for seed in range(given.seeds):
        for name, kind in found:
            validation, test = kinds[kind](name, seed)
            say(f"{name}, {kind}, seed {seed}: {100 * validation:.1f} % of validation, {100 * test:.1f} % of test")
            found[name, kind].append(100 * test)
    rows = [["test accuracy", *kinds], *([name, *(mean(found[name, kind]) for kind in kinds)] for name in sets)]
    table(f"Photographs, {given.channels}", rows)


if __name__ == "__main__":
    main()
