import math
from datetime import datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.ingest.cells import CellError, Scoring, as_amount, as_name, as_number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.5", 0.5),
        (" 1e-6 ", 1e-6),
        (Decimal("0.25"), 0.25),
        (np.float32(0.5), 0.5),
        (np.True_, 1.0),
        ("TRUE", 1.0),
        ("False", 0.0),
        (10**400, math.inf),
    ],
)
def test_numbers(value, number):
    assert as_number(value) == number


@pytest.mark.parametrize("value", [None, "", "  ", "NaN", "N/A", "null", math.nan])
def test_not_measured(value):
    assert math.isnan(as_number(value))
    assert math.isnan(as_amount(value))
    assert math.isnan(Scoring(threshold=0).read(value))


@pytest.mark.parametrize("value", [True, False, np.True_, "TRUE", " false "])
def test_a_truth_value_is_a_score_and_no_amount(value):
    assert Scoring().read(value) in (0.0, 1.0)
    with pytest.raises(CellError, match="is a truth value, which only a score can be; give"):
        as_amount(value)


@pytest.mark.parametrize("value", [True, np.False_])
def test_a_truth_value_is_no_name(value):
    with pytest.raises(CellError, match="is neither text nor a number; give one of the two"):
        as_name(value)
    assert as_name("true") == "true"


@pytest.mark.parametrize("value", ["good", "1,5", [1], {"a": 1}, b"1", 1j])
def test_not_a_number(value):
    assert as_number(value) is None
    with pytest.raises(CellError, match="is not a number"):
        Scoring().read(value)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_scale_maps_its_ends_onto_0_and_1(low, width, share):
    high = low + width
    read = Scoring(scale=(low, high)).read
    assert (read(low), read(high)) == (0.0, 1.0)
    inside = min(high, max(low, low + share * width))
    assert 0 <= read(inside) <= 1
    assert read(inside) == pytest.approx((inside - low) / (high - low))


def test_outside_the_scale():
    with pytest.raises(CellError, match=r"11\.0 is outside scale=\(1, 10\)"):
        Scoring(scale=(1, 10)).read(11)


def test_names():
    assert as_name(datetime(2026, 1, 5, 12, 30)) == "2026-01-05T12:30:00"
    assert as_name(math.nan) is None
    assert as_name(" x ") == " x "
