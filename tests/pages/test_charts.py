import re

import pytest

from edgesoft.pages.charts import Bar, Line, bars, curves, log_ticks, reliability, sigmoid_curve, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.972, 0.9813, [0.972, 0.974, 0.976, 0.978, 0.98, 0.982]),
        (1, 157, [0, 50, 100, 150, 200]),
        (3, 3, [2.97, 2.98, 2.99, 3]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-2, 2, [-2, -1, 0, 1, 2]),
    ],
)
def test_ticks_are_round_and_enclose(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high"), [(1e-9, 1e-9), (1e-9, 3.0), (0.02, 1.1), (0.5, 0.50001), (1, 1), (2e-5, 9e12), (1e-3, 1e3)]
)
def test_ticks_on_a_log_scale_enclose(low, high):
    found = log_ticks(low, high)
    assert found == sorted(found)
    assert 2 <= len(found) <= 8
    assert found[0] <= low * 1.000001 and found[-1] >= high / 1.000001
    assert all(f"{tick:e}"[0] in "125" for tick in found)


def test_a_curve_goes_where_its_numbers_say():
    drawn = curves(
        "loss", [Line("a", "first", [(1, 1.0), (2, 0.1), (3, 0.01)])], lambda tick: f"{tick:g}", is_log=True
    ).inline()
    points = [tuple(map(float, pair.split(","))) for pair in re.search('points="(.*?)"', drawn)[1].split()]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2) and y0 < y1 < y2
    assert "<title>loss</title>" in drawn


def test_bars_are_as_long_as_their_numbers():
    drawn = bars("numbers", [Bar("a", 3, "3"), Bar("b", -1, "-1", is_answer=True), Bar("<c>", 0, "0")])
    assert re.findall('x="(.*?)%" width="(.*?)%"', drawn) == [("25.00", "75.00"), ("0.00", "25.00"), ("25.00", "0.00")]
    assert "&lt;c&gt;" in drawn and drawn.count('class="answer"') == 1
    assert re.findall('width="(.*?)%"', bars("nothing", [Bar("a", 0, "0")])) == ["0.00"]


def test_a_bin_lies_where_it_should_and_its_interval_stays_inside():
    bins = [(10, 0.85, 0.9, (0.6, 0.98)), (10, 0.95, 1.0, (0.72, 1.0))]
    drawn = reliability("diagram", [("one", "first", bins), ("other", "second", bins)])
    circles = [
        tuple(map(float, pair)) for pair in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="4" class="first"/>', drawn)
    ]
    ideal = re.search(r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="ideal"', drawn).groups()
    left, bottom, right, top = map(float, ideal)
    for (x, y), (_, confidence, share, _) in zip(circles[:2], bins, strict=True):
        assert (x + 1.5 - left) / (right - left) == pytest.approx((confidence - 0.8) / 0.2, abs=0.01)
        assert (bottom - y) / (bottom - top) == pytest.approx((share - 0.8) / 0.2, abs=0.01)
    ends = [float(end) for pair in re.findall(r'y1="([\d.]+)" y2="([\d.]+)" class="whisker', drawn) for end in pair]
    assert min(ends) >= top and max(ends) <= bottom


@pytest.mark.parametrize("logit", [-900.0, -1.0, 0.0, 2.5, 900.0])
def test_a_logit_of_any_size_lies_on_the_sigmoid(logit):
    drawn = sigmoid_curve("sigmoid", logit, 0.25).inline()
    x, y = map(float, re.search('cx="(.*?)" cy="(.*?)" r="5"', drawn).groups())
    assert 0 < x < 360 and 0 < y < 250
    assert "threshold 25 %" in drawn and "nan" not in drawn
