"""How unlike the training data a normalised picture is, from a few numbers in the model's card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.arrays import Floats, components, stroke_width
from edgesoft.pictures.spec import PictureError

# Pictures looked at when fitting: the quantile below rests on the 5 most unusual ones.
FITTED = 5000
# Distance 1 is the training picture that is more unusual than this share of all.
QUANTILE = 0.999
# The picture's layout is described by means over GRID x GRID cells ...
GRID = 7
# ... and their deviation from this many principal components.
KEPT = 20


def _shape_numbers(pixels: NDArray[np.uint8]) -> list[float]:
    """Describe one picture by sizes, widths and counts that do not depend on where its parts lie."""
    ink = pixels.astype(np.float32) / np.float32(255)
    mass = float(ink.sum()) or 1e-3
    width = stroke_width(ink)
    solid = pixels > 127
    marks, gaps = components(solid), components(~solid)
    largest = float(marks.areas().max()) / float(solid.sum()) if marks.count else 0.0
    crossings = [float(np.abs(np.diff(solid.astype(np.int8), axis=axis)).sum()) / 2 for axis in (0, 1)]
    rows, columns = ink.sum(axis=1) / mass, ink.sum(axis=0) / mass
    y, x = np.arange(len(rows)), np.arange(len(columns))
    down, across = float(rows @ y), float(columns @ x)
    soft = float(((pixels > 40) & (pixels < 215)).sum()) / max(1, int((pixels > 40).sum()))
    edge = float(ink[0].sum() + ink[-1].sum() + ink[:, 0].sum() + ink[:, -1].sum())
    return [
        float(np.log(mass)),
        float(np.log(max(width, 0.1))),
        float(np.log(mass / max(width, 0.1))),
        *crossings,
        float(marks.count),
        float(gaps.count),
        largest,
        soft,
        float(np.sqrt(max(rows @ (y - down) ** 2, 0))),
        float(np.sqrt(max(columns @ (x - across) ** 2, 0))),
        down,
        across,
        edge,
    ]


def _cells(pixels: NDArray[np.uint8]) -> Floats:
    """Means over GRID x GRID cells: uint8 [n, h, w] to float32 [n, GRID * GRID], 0..1."""
    count, height, width = pixels.shape
    rows = np.linspace(0, height, GRID + 1).astype(int)[:-1]
    columns = np.linspace(0, width, GRID + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float32), rows, axis=1), columns, axis=2)
    return np.asarray(sums.reshape(count, -1) * np.float32(GRID * GRID / (255.0 * height * width)), dtype=np.float32)


def _features(pixels: NDArray[np.uint8], axes: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of each picture: its shape's, its layout's, and how much layout the axes leave out."""
    shapes = np.array([_shape_numbers(picture) for picture in pixels])
    layout = _cells(pixels).astype(np.float64) - centre
    coordinates = layout @ axes.T
    left = np.sqrt(np.maximum((layout**2).sum(axis=1) - (coordinates**2).sum(axis=1), 0))
    return np.column_stack([shapes, coordinates, left])


def _squared(
    features: NDArray[np.float64], mean: NDArray[np.float64], whiten: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared Mahalanobis distance of each row."""
    return np.asarray((((features - mean) @ whiten) ** 2).sum(axis=1))


def fit_statistics(pixels: NDArray[np.uint8]) -> dict[str, float | list[float]]:
    """Summarise a training set by the numbers that `distance` needs.

    The distance is Mahalanobis' (1936) over shape numbers and over principal components of the
    picture's layout.

    Parameters
    ----------
    pixels : uint8 [n, height, width]
        Training pictures as the model takes them; 200 or more.

    Returns
    -------
    dict
        Plain floats and lists of floats, for JSON.

    Raises
    ------
    PictureError
        If there are too few pictures.
    """
    if pixels.ndim != 3 or len(pixels) < 200:
        raise PictureError(f"statistics of pictures {pixels.shape}: expected [n, height, width] with n of 200 or more")
    chosen = pixels[:: max(1, len(pixels) // FITTED)]
    cells = _cells(chosen).astype(np.float64)
    centre = cells.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(cells.T))
    axes = np.round(vectors[:, ::-1].T[:KEPT], 3)
    features = _features(chosen, axes, centre)
    mean = features.mean(axis=0)
    covariance = np.cov(features.T)
    # Counts may be constant in a small set: a floor keeps their inverse finite.
    covariance += np.diag(1e-3 * np.diag(covariance) + 1e-4)
    whiten = np.linalg.cholesky(np.linalg.inv(covariance))
    limit = float(np.quantile(_squared(features, mean, whiten), QUANTILE))
    lower = whiten[np.tril_indices(len(mean))]
    return {
        "limit": limit,
        "centre": np.round(centre, 4).tolist(),
        "axes": axes.ravel().tolist(),
        "mean": np.round(mean, 5).tolist(),
        "whiten": [float(f"{value:.4g}") for value in lower],
    }


def distance(pixels: NDArray[np.uint8], statistics: Mapping[str, float | list[float]]) -> float:
    """Tell how unlike the training data a picture is.

    Parameters
    ----------
    pixels : uint8 [height, width]
    statistics : mapping
        What `fit_statistics` returned.

    Returns
    -------
    float
        0 to 1 for usual pictures; above 1 for those more unusual than 99.9 % of the training set.

    Raises
    ------
    PictureError
        If the statistics are incomplete or do not fit together.
    """
    try:
        centre = np.asarray(statistics["centre"], np.float64)
        axes = np.asarray(statistics["axes"], np.float64).reshape(-1, len(centre))
        mean = np.asarray(statistics["mean"], np.float64)
        whiten = np.zeros((len(mean), len(mean)))
        whiten[np.tril_indices(len(mean))] = np.asarray(statistics["whiten"], np.float64)
        limit = float(np.asarray(statistics["limit"], np.float64))
        squared = float(_squared(_features(pixels[None], axes, centre), mean, whiten)[0])
    except (KeyError, TypeError, ValueError) as error:
        raise PictureError(f"the card's statistics cannot be used: {error}; train the model again") from None
    return float(np.sqrt(squared / limit))
