"""The checks that every embedder's texts and rows go through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.embedders import SentenceTransformerEmbedder, StaticEmbedder, resolve
from knnrouter.embedders.base import checked_rows, head_and_tail, unit_rows
from knnrouter.errors import EmbedderError

CHECKS = pytest.mark.parametrize("check", [checked_rows, unit_rows])


def test_unit_rows_by_hand():
    rows = unit_rows([[3, 4], [0, -2], [0, 0]], count=3, dim=2, source="me")
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, -1], [0, 0]], atol=1e-7)
    assert rows.dtype == np.float32


@given(
    arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300, allow_subnormal=False)),
)
def test_unit_rows_have_norm_one_whatever_their_size(rows):
    norms = np.linalg.norm(unit_rows(rows, count=3, dim=4, source="me"), axis=1)
    np.testing.assert_allclose(norms, np.where(rows.any(axis=1), 1, 0), atol=1e-6)


def test_checked_rows_leaves_unit_rows_as_they_are():
    given_rows = np.array([[0.6, 0.8], [0, 0], [1.0009, 0]])
    rows = checked_rows(np.asfortranarray(given_rows), count=3, dim=2, source="me")
    np.testing.assert_array_equal(rows, given_rows.astype(np.float32))
    assert rows.flags.c_contiguous


def test_checked_rows_refuses_a_row_that_is_not_unit():
    with pytest.raises(EmbedderError, match=r"^me: row 1 has norm 5 \(1 of 2 rows like this\)"):
        checked_rows([[1, 0], [3, 4]], count=2, dim=2, source="me")


@CHECKS
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 0.0]], r"2 texts came back as an array of shape \(1, 2\); it must be \(2, 2\)"),
        ([1.0, 0.0], r"shape \(2,\); it must be \(2, 2\)"),
        ([[1, 0, 0], [0, 1, 0]], r"shape \(2, 3\); it must be \(2, 2\)"),
        ([[1, 0], [np.nan, 0]], r"row 1 holds NaN or infinity \(1 of 2 rows"),
        ([[np.inf, 0], [np.nan, 0]], r"row 0 holds NaN or infinity \(2 of 2 rows"),
        ([[1, 0], [1]], "what came back is not an array"),
        (None, "a NoneType came back, of dtype object"),
        ([["a", "b"], ["c", "d"]], "a list came back, of dtype <U1"),
        ([[1j, 0], [0, 1]], "of dtype complex128"),
    ],
)
def test_what_came_back_is_told(check, rows, message):
    with pytest.raises(EmbedderError, match=f"^me: .*{message}"):
        check(rows, count=2, dim=2, source="me")


@given(st.text(), st.integers(3, 30))
def test_head_and_tail_fits_and_keeps_both_ends(text, window):
    cut = head_and_tail(text, window)
    if len(text) <= window:
        assert cut is text
    else:
        head, tail = cut[: window // 2], cut[window // 2 + 1 :]
        assert (len(cut), cut[window // 2]) == (window, "\n")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert 0 <= len(head) - len(tail) <= 1


def test_resolve_static_and_objects():
    assert resolve("static").id == StaticEmbedder().id
    embedder = StaticEmbedder()
    assert resolve(embedder) is embedder


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        ("statik", r"embedder is 'statik'; the only name is 'static'.*SentenceTransformerEmbedder"),
        (StaticEmbedder, r"embedder is <class .*it must be 'static' or an object with id, dim"),
        (SentenceTransformerEmbedder, "embedder is <class .*it must be 'static' or an object"),
        (len, "embedder is <built-in function len>; it must be 'static'"),
        (None, "embedder is None; it must be 'static'"),
    ],
)
def test_resolve_refuses_the_rest(embedder, message):
    with pytest.raises(EmbedderError, match=message):
        resolve(embedder)
