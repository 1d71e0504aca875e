"""FunctionEmbedder: any function as an embedder, with its rows checked."""

from __future__ import annotations

import numpy as np
import pytest

from knnrouter.embedders import Embedder, FunctionEmbedder
from knnrouter.errors import EmbedderError


def lengths(texts):
    return [[len(text), text.count("x")] for text in texts]


def test_rows_are_scaled_to_norm_one():
    embedder = FunctionEmbedder(lengths, dim=2, id="lengths-1")
    rows = embedder.embed(("xyzx", "abcd", ""))
    np.testing.assert_allclose(rows, [[4 / 20**0.5, 2 / 20**0.5], [1, 0], [0, 0]], atol=1e-7)
    assert rows.dtype == np.float32
    assert (embedder.id, embedder.dim) == ("lengths-1", 2)
    assert isinstance(embedder, Embedder)
    assert repr(embedder) == "FunctionEmbedder(id='lengths-1', dim=2)"


def test_the_function_is_called_once_with_a_list_and_not_for_nothing():
    calls = []
    embedder = FunctionEmbedder(lambda texts: calls.append(texts) or lengths(texts), 2, "a")
    assert embedder.embed(()).shape == (0, 2)
    embedder.embed(("a", "b"))
    assert calls == [["a", "b"]]


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda texts: lengths(texts)[:1], r"embedder 'a': 2 texts .* shape \(1, 2\); .* \(2, 2\)"),
        (lambda texts: None, "embedder 'a': a NoneType came back"),
        (lambda texts: [[1, float("nan")]] * 2, "row 0 holds NaN or infinity"),
    ],
)
def test_wrong_rows_are_told(fn, message):
    with pytest.raises(EmbedderError, match=message):
        FunctionEmbedder(fn, 2, "a").embed(["x", "y"])


def test_wrong_texts_are_told():
    embedder = FunctionEmbedder(lengths, 2, "a")
    with pytest.raises(EmbedderError, match="got one text"):
        embedder.embed("xy")
    with pytest.raises(EmbedderError, match=r"texts\[1\] is None, a NoneType"):
        embedder.embed(["x", None])


@pytest.mark.parametrize("dim", [0, -1, 2.0, "2"])
def test_a_wrong_dimension_is_refused(dim):
    with pytest.raises(EmbedderError, match=r"dim is .*; it must be a whole number, 1 or more"):
        FunctionEmbedder(lengths, dim, "a")


@pytest.mark.parametrize("name", ["", "  ", None])
def test_an_empty_id_is_refused(name):
    with pytest.raises(EmbedderError, match=r"id is .*; it must name the function"):
        FunctionEmbedder(lengths, 2, name)


def test_an_error_of_the_function_is_left_alone():
    def broken(texts):
        raise TimeoutError("no answer")

    with pytest.raises(TimeoutError, match="no answer"):
        FunctionEmbedder(broken, 2, "a").embed(["x"])
