import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.estimators.win_rates.similarity import nearest_others, row_weights
from knnrouter.index import ExactIndex, FaissIndex


def papers(query, vectors, gamma):
    """gamma^(1 + S) a row at a time."""
    for row, vector in enumerate(vectors):
        others = [float(vector @ other) for place, other in enumerate(vectors) if place != row]
        top = max(others, default=0.0)
        yield gamma ** (1 + float(query @ vector) / (top if top > 0 else 1.0))


def codes(query, vectors, gamma):
    near = [float(query @ vector) for vector in vectors]
    for similarity in near:
        yield gamma * gamma ** (similarity / max(near) if max(near) > 0 else 0.0)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 2.0, 10.0]), st.booleans())
def test_the_weights_are_what_their_formulas_say(twin, seed, gamma, paper):
    rng = np.random.default_rng(seed)
    rows, dim = int(rng.integers(1, 9)), int(rng.integers(2, 6))
    vectors = twin.unit(rng.normal(size=(rows, dim)) + rng.choice([0, 2]))
    queries = twin.unit([*(rng.normal(size=(2, dim)) + 1), vectors[0] + 0.1, np.zeros(dim)])
    nearest = nearest_others(vectors, ExactIndex(vectors)) if paper else None
    found = row_weights(queries, vectors, gamma=gamma, nearest=nearest)
    for its, query in zip(found, queries, strict=True):
        expected = np.array(list((papers if paper else codes)(query, vectors, gamma)))
        np.testing.assert_allclose(its, expected / expected.max(), rtol=2e-3, atol=1e-12)


def test_the_nearest_other_is_never_the_row_itself():
    rows = np.array([[1, 0], [1, 0], [1, 0], [0.6, 0.8], [-1, 0]], dtype=np.float32)
    expected = pytest.approx([1.0, 1.0, 1.0, 0.6, 1.0])  # below zero there is no other
    for index in (ExactIndex(rows), FaissIndex(rows)):
        assert nearest_others(rows, index).tolist() == expected
    alone = rows[:1]
    assert nearest_others(alone, ExactIndex(alone)).tolist() == [1.0]


def test_a_row_among_few_counts_more_by_the_papers_weights_only(twin):
    # Two rows are as near to the query; the first has a crowd around it.
    vectors = twin.unit([[1, 0.5], [1, 0.51], [1, 0.49], [1, -0.5]])
    query = twin.unit([[1, 0]])
    nearest = nearest_others(vectors, ExactIndex(vectors))
    by_paper = row_weights(query, vectors, gamma=10, nearest=nearest)[0]
    by_code = row_weights(query, vectors, gamma=10)[0]
    assert by_paper[3] > 1.3 * by_paper[0]
    assert by_code[3] == pytest.approx(by_code[0], rel=1e-6)


def test_where_nothing_is_near_the_code_lets_all_rows_count_alike(twin):
    vectors = twin.unit([[1, 0.2], [1, 0.9]])
    assert row_weights(-vectors[:1], vectors, gamma=10).tolist() == [[1.0, 1.0]]
    nearest = nearest_others(vectors, ExactIndex(vectors))
    first, second = row_weights(-vectors[:1], vectors, gamma=10, nearest=nearest)[0]
    assert first < second == 1.0  # by the paper's weights, the less unlike counts more


def test_the_weights_stay_finite_where_a_query_is_nearer_than_anything_ever_was(twin):
    vectors = twin.unit([[1, 0, 0], [0.001, 1, 0], [0, 0, 1]])  # the largest cosine is 0.001
    nearest = nearest_others(vectors, ExactIndex(vectors))
    found = row_weights(vectors, vectors, gamma=10, nearest=nearest)
    assert np.isfinite(found).all()
    assert found.max(axis=1).tolist() == [1.0, 1.0, 1.0]
