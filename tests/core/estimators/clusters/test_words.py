"""TF-IDF against scikit-learn's."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import EstimatorError, MissingExtraError
from knnrouter.estimators.clusters.words import Words

VOCABULARY = ["How", "many", "apples", "Tom", "has", "12", "über", "蘋果", "it's", "a_b", "x", "?"]
texts = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join)


@settings(deadline=None, max_examples=60)
@given(known=st.lists(texts, min_size=3, max_size=12), asked=st.lists(texts, max_size=6))
def test_rows_are_those_of_scikit_learn(known, asked):
    text = pytest.importorskip("sklearn.feature_extraction.text", reason="it is the twin")
    twin = text.TfidfVectorizer(min_df=0.05, max_df=0.95, lowercase=False)
    try:
        twin.fit(known)
    except ValueError:
        with pytest.raises(EstimatorError, match=r"no word is in 5% to 95% of the \d+ texts"):
            Words.of(known)
        return
    words = Words.of(known)
    for some in (known, asked):
        found = words.rows(some)
        expected = twin.transform(some).toarray() if some else np.empty((0, len(words.idf)))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_saved_and_restored():
    words = Words(vocabulary=("Tom", "über", '蘋果 "quoted"'), idf=np.array([1.0, 2.5, 3.0]))
    assert {array.dtype.name for array in words.arrays.values()} == {"uint8", "float64"}
    again = Words.from_arrays(words.arrays)
    assert again.vocabulary == words.vocabulary
    np.testing.assert_array_equal(again.idf, words.idf)


@pytest.mark.parametrize(
    ("text", "idf", "said"),
    [
        (b'["a", "b"]', [1.0], r"2 words and numbers of shape \(1,\)"),
        (b'["a"', [1.0], "no list of words"),
        (b'{"a": 1}', [1.0], "no list of words"),
        (b"[1]", [1.0], "no list of words"),
        (b"\xff", [1.0], "no list of words"),
        (None, [1.0], "no list of words"),
        (b'["a"]', None, "1 words and numbers of shape none"),
    ],
)
def test_damaged_arrays(text, idf, said):
    arrays = {}
    if text is not None:
        arrays["vocabulary"] = np.frombuffer(text, dtype=np.uint8)
    if idf is not None:
        arrays["idf"] = np.array(idf)
    with pytest.raises(EstimatorError, match=f"{said}.*fit the router anew"):
        Words.from_arrays(arrays)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'knnrouter\[train\]'") as error:
        Words.of(["some text", "other text"])
    assert error.value.extra == "train"
    words = Words(vocabulary=("Tom",), idf=np.ones(1))  # routing needs none of it
    assert words.rows(["Tom", "Ann"]).tolist() == [[1.0], [0.0]]
