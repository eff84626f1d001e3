"""The float MLP of `exported/` as emlearn (PyPI) writes it in C, for `compare_targets.py`; runs in emlearn's environment.

emlearn takes scikit-learn's models, not ONNX: the weights are put into an `MLPClassifier`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import emlearn  # type: ignore[import-not-found]
import numpy as np
from sklearn.neural_network import MLPClassifier

GLUE = """\
#include "model.h"
int classify(const float *x, float *probabilities)
{
    int label = 0, other;
    eml_net_predict_proba(&model, x, INPUTS, probabilities, CLASSES);
    for (other = 1; other < CLASSES; other++) {
        label = probabilities[other] > probabilities[label] ? other : label;
    }
    return label;
}
"""


def main(weights: Path, folder: Path) -> None:
    """Write `model.h` and `model.c` into `folder`; print where emlearn's own headers are."""
    arrays = list(np.load(weights).values())
    network = MLPClassifier()
    network.coefs_, network.intercepts_ = [array.T for array in arrays[::2]], arrays[1::2]
    network.n_layers_, network.out_activation_ = len(arrays) // 2 + 1, "softmax"
    network.n_outputs_ = len(arrays[-1])
    network.classes_ = np.arange(network.n_outputs_)
    emlearn.convert(network).save(file=str(folder / "model.h"), name="model")
    sizes = f"#define INPUTS {len(network.coefs_[0])}\n#define CLASSES {network.n_outputs_}\n"
    (folder / "model.c").write_text(sizes + GLUE)
    print(emlearn.includedir)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
