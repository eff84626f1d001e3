"""Distortions of training pictures."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from edgesoft.model.inputs import PictureInput
from edgesoft.training.augment import Augmentation, augment
from edgesoft.training.distort import LIGHT, distorted, distorted_inputs

NONE = Augmentation(**{field.name: 0 for field in fields(Augmentation) if field.name != "elastic_knots"})
STRENGTHS = [field.name for field in fields(Augmentation) if field.name != "elastic_knots"]


@pytest.fixture(scope="module")
def digits(mnist) -> torch.Tensor:
    return torch.from_numpy(mnist.train.inputs[:300]).float() / 255


def run(images, strengths, seed=0):
    return augment(images, strengths, torch.Generator().manual_seed(seed))


def test_without_strength_the_pictures_stay(digits):
    torch.testing.assert_close(run(digits, NONE), digits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", STRENGTHS)
def test_each_strength_does_something_of_its_own(digits, name):
    changed = run(digits, replace(NONE, **{name: getattr(Augmentation(), name)}))
    assert (changed - digits).abs().amax(dim=(1, 2)).gt(0.02).float().mean() > 0.05
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-6


def test_the_defaults_keep_shape_range_and_ink(digits):
    changed = run(digits, Augmentation())
    assert changed.shape == digits.shape and changed.dtype == torch.float32
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-6
    assert 0.7 < changed.mean() / digits.mean() < 1.4


def test_the_seed_decides(digits):
    torch.testing.assert_close(run(digits, Augmentation(), 5), run(digits, Augmentation(), 5), atol=0, rtol=0)
    assert not torch.equal(run(digits, Augmentation(), 5), run(digits, Augmentation(), 6))


def test_every_picture_is_distorted_in_its_own_way(digits):
    changed = run(digits[:1].expand(50, -1, -1), Augmentation())
    assert len({picture.numpy().tobytes() for picture in changed}) == 50


def test_clouds_lie_behind_the_ink(digits):
    changed = run(digits, replace(NONE, background=0.1))
    assert (changed >= digits - 1e-5).all()
    clouded = (changed - digits).amax(dim=(1, 2)) > 0.01
    assert 0.2 < clouded.float().mean() < 0.4
    assert changed[digits == 0].quantile(0.99) < 0.25


def test_channels_share_their_distortion(digits):
    colour = digits[:20, None].expand(-1, 3, -1, -1).contiguous()
    changed = run(colour, Augmentation())
    torch.testing.assert_close(changed[:, 0], changed[:, 2], atol=0, rtol=0)


@pytest.mark.parametrize(
    "images", [torch.zeros(2, 28), torch.zeros(2, 7, 28), torch.zeros(2, 28, 28, dtype=torch.uint8)], ids=str
)
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match="need float32"):
        run(images, Augmentation())


def test_an_empty_batch_stays_empty():
    assert run(torch.zeros(0, 28, 28), Augmentation()).shape == (0, 28, 28)


def photographs(
    count: int = 40, *, colours: tuple[int, ...] = (3,), seed: int = 1
) -> tuple[torch.Tensor, PictureInput]:
    """Soft patches, and what they are."""
    rough = torch.rand(count, *(colours or (1,)), 5, 7, generator=torch.Generator().manual_seed(seed))
    soft = torch.nn.functional.interpolate(rough, (20, 30), mode="bicubic", align_corners=False).clamp(0, 1)
    spec = PictureInput(height=20, width=30, channels=3 if colours else 1, normaliser="resize")
    return (soft.permute(0, 2, 3, 1) if colours else soft[:, 0]), spec


def test_a_photograph_goes_on_beyond_its_edge():
    # Shifting a grey wall shows more of the wall, never a black edge, in a light of its own; ink on black would show black.
    wall = torch.full((40, 20, 30, 3), 0.5)
    changed = distorted(wall, photographs()[1], torch.Generator().manual_seed(0))
    assert changed.flatten(1).std(dim=1).max() < 1e-5
    assert 0.03 < (changed[:, 0, 0, 0] - 0.5).abs().max() <= LIGHT / 2 + 1e-6


@pytest.mark.parametrize("colours", [(3,), ()], ids=["colour", "grey"])
@pytest.mark.parametrize("flips", [False, True])
def test_photographs_keep_shape_and_range_and_change_each_in_its_own_way(colours, flips):
    images, spec = photographs(colours=colours)
    same = images[:1].expand(40, *images.shape[1:])
    changed = distorted(same, spec, torch.Generator().manual_seed(0), flips=flips)
    assert changed.shape == same.shape and changed.dtype == torch.float32
    assert changed.min() >= 0 and changed.max() <= 1
    assert len({picture.numpy().tobytes() for picture in changed}) == 40
    again = distorted(same, spec, torch.Generator().manual_seed(0), flips=flips)
    torch.testing.assert_close(changed, again, atol=0, rtol=0)


def test_without_strength_photographs_stay():
    images, spec = photographs()
    torch.testing.assert_close(distorted(images, spec, torch.Generator(), 0.0), images, atol=1e-5, rtol=0)


def test_less_strength_changes_photographs_less():
    images, spec = photographs()
    weak, strong = (distorted(images, spec, torch.Generator().manual_seed(0), strength) for strength in (0.25, 1.0))
    assert 0.01 < (weak - images).abs().mean() < 0.7 * (strong - images).abs().mean()


def test_the_light_changes_the_colours_of_a_picture_together():
    images, spec = photographs()
    grey = images.mean(3, keepdim=True).expand(-1, -1, -1, 3).contiguous()
    changed = distorted(grey, spec, torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed[..., 0], changed[..., 2], atol=1e-5, rtol=0)


def test_only_photographs_are_flipped(digits):
    images, spec = photographs()
    one, other = (distorted(images, spec, torch.Generator().manual_seed(0), flips=flips) for flips in (False, True))
    flipped = [torch.equal(after, before.flip(1)) for before, after in zip(one, other, strict=True)]
    kept = [torch.equal(after, before) for before, after in zip(one, other, strict=True)]
    assert 5 < sum(flipped) < 35 and sum(flipped) + sum(kept) == len(images)
    ink = [distorted(digits, PictureInput(), torch.Generator().manual_seed(0), flips=flips) for flips in (False, True)]
    assert torch.equal(*ink)


def test_what_is_too_small_to_bend_stays():
    tiny = torch.rand(4, 6, 6)
    assert torch.equal(distorted(tiny, PictureInput(height=6, width=6, normaliser="resize"), torch.Generator()), tiny)


def test_distorted_inputs_are_what_training_sees_in_grey_levels(mnist):
    inputs = mnist.validation.inputs[:50]
    grey = distorted_inputs(inputs, PictureInput(), seed=3)
    floats = distorted(torch.from_numpy(inputs).float() / 255, PictureInput(), torch.Generator().manual_seed(3)).numpy()
    assert grey.dtype == np.uint8 and grey.shape == inputs.shape and (grey != inputs).any()
    np.testing.assert_allclose(grey, 255 * floats, atol=0.501)
