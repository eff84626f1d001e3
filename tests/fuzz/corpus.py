"""Honest files, made once by honest runs: what the fuzzing changes, and the proof that unchanged it would pass."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.pictures.test_hostile import CORPUS
from tests.server import Server

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("blue", "green", "red")


@dataclass(frozen=True)
class Corpus:
    """A folder of honest files."""

    folder: Path
    csv: Path
    run: Path
    """Folder of a run that ended after its last epoch, and can be resumed."""
    model: Path
    """A small float model of tables."""
    int8: Path
    digits: Path
    """A model of pictures."""
    picture: Path

    @property
    def honest(self) -> list[list[str]]:
        """Command lines that must end well: a harness in which everything fails finds no fault."""
        csv, model = str(self.csv), str(self.model)
        return [
            ["infer", str(self.picture), "--model", str(self.digits)],
            ["infer", csv, "--model", model],
            ["inspect", model],
            ["verify", model, "--against", str(self.run), "--data", csv],
            ["diff", model, str(self.int8)],
            ["train", csv, "--target", "kind", "--epochs", "1", "--output", str(self.folder / "second")],
            ["export", str(self.run), "--data", csv, "--output", str(self.folder / "again")],
        ]


def build(folder: Path, server: Server) -> Corpus:
    """Train and export in `folder`."""
    rng = random.Random(0)
    rows = [
        [f"{rng.gauss(2 * (row % 3), 1):.2f}" for _ in range(3)] + [rng.choice("xyz"), KINDS[row % 3]]
        for row in range(90)
    ]
    csv = folder / "flowers.csv"
    csv.write_text("".join(",".join(row) + "\n" for row in [["long", "wide", "deep", "form", "kind"], *rows]))
    learn = ["train", csv.name, "--target", "kind", "--hidden", "6", "--epochs", "2", "--output", "run"]
    for arguments in (learn, ["export", "run", "--quantize", "--max-drop", "100", "--output", "models"]):
        ended = server.run(arguments, folder)
        assert ended.code == 0, ended.err
    for name, picture in CORPUS.items():
        (folder / f"{name.replace(' ', '-')}.picture").write_bytes(picture)
    corpus = Corpus(
        folder, csv, folder / "run", folder / "models" / "flowers.onnx", folder / "models" / "flowers.int8.onnx",
        ROOT / "exported" / "mnist.int8.onnx", folder / "png.picture",
    )  # fmt: skip
    for arguments in corpus.honest:
        ended = server.run(arguments, folder)
        assert ended.code == 0, (arguments, ended.err)
    return corpus
