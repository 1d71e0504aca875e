import math

import numpy as np
import pytest

from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.evaluation import brier
from knnrouter.evaluation.arrays import (
    columns,
    group_numbers,
    known_columns,
    table,
    undefined,
    vectors,
)

NAN = float("nan")


def test_vectors():
    one, other = vectors(one=(True, False), other=np.array([1, 2], dtype=np.float32))
    assert (one.dtype, other.dtype) == (np.float64, np.float64)
    assert (one.tolist(), other.tolist()) == ([1.0, 0.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [1], "b": [1, 2], "c": [1]}, r"a, b and c have shapes \(1,\), \(2,\), \(1,\); give"),
        ({"a": [[1.0]]}, r"a has shape \(1, 1\); give vectors of one length"),
        ({"a": 1.0}, r"a has shape \(\); give"),
        ({"a": []}, r"a has shape \(0,\); give"),
        (
            {"a": [1, math.inf]},
            "1 of 2 values of a are not finite, the first at 1; every value mus",
        ),
    ],
)
def test_bad_vectors(given, message):
    with pytest.raises(EvaluationError, match=message):
        vectors(**given)


@pytest.mark.parametrize("values", [[], [1.0], [[]], np.ones((0, 3)), np.ones((1, 1, 1))])
def test_bad_tables(values):
    with pytest.raises(EvaluationError, match=r"scores has shape .*, not \(n, m\); give one row a"):
        table(values)


def test_tables_of_other_queries():
    with pytest.raises(EvaluationError, match=r"costs has shape \(1, 2\), not \(2, 2\); give one"):
        table([[1, 2]], name="costs", like=np.ones((2, 2)))
    with pytest.raises(
        EvaluationError, match="1 of 2 values of scores are not finite, the first at 0, 1;"
    ):
        table([[1, NAN]])


@pytest.mark.parametrize("chosen", [[0, 1], [[0], [1], [0]], [0.0, 1.0, 1.0], [True, False, True]])
def test_columns_that_are_none(chosen):
    with pytest.raises(EvaluationError, match=r"a whole number, for each of the 3 queries"):
        columns(chosen, 3, 2)


def test_columns_beyond_the_models():
    assert columns(np.array([0, 1], dtype=np.uint8), 2, 2).tolist() == [0, 1]
    with pytest.raises(
        EvaluationError, match=r"picked holds 2 \(2 such\); columns go from 0 to 1:"
    ):
        columns([2, 0, -1], 3, 2, name="picked")


def test_groups():
    names, numbers = group_numbers(("b", "a", "b"), 3)
    assert (names, numbers.tolist()) == (("b", "a"), [0, 1, 0])


def test_models_that_are_estimated_everywhere():
    scores, expected = known_columns(
        [[NAN, 0.2, 0.3], [0.1, 0.2, 0.3]], np.arange(6.0).reshape(2, 3)
    )
    assert scores.tolist() == [[1, 2], [4, 5]]
    assert expected.tolist() == [[0.2, 0.3], [0.2, 0.3]]


def test_a_figure_that_cannot_be_had_points_at_who_asked_for_it():
    def measure():
        return undefined("the figure", "there is none")

    with pytest.warns(
        EvaluationWarning, match="the figure cannot be had: there is none; it is NaN"
    ) as got:
        assert math.isnan(measure())
    assert got[0].filename == __file__


@pytest.mark.parametrize("values", [["a", 1.0], [[0.5], [0.5, 1.0]], [object()]])
def test_what_is_no_number(values):
    for refused in (lambda: vectors(a=values), lambda: table(values, name="a")):
        with pytest.raises(
            EvaluationError, match=r"a is no array of numbers .*; give numbers, and"
        ):
            refused()
    with pytest.raises(EvaluationError, match="expected is no array of numbers"):
        brier(values, [1.0, 0.0])
