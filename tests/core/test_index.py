import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import DamagedStoreError, EmbedderError
from knnrouter.index import ExactIndex, FaissIndex, NeighborIndex, kmeans

BOTH = pytest.mark.parametrize("kind", [ExactIndex, FaissIndex])


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms == 0, 1, norms)).astype(np.float32)


def by_hand(vectors, query, k):
    """The rule of the module, a pair at a time."""
    pairs = []
    for row, vector in enumerate(vectors):
        product = sum(float(a) * float(b) for a, b in zip(vector, query, strict=True))
        pairs.append((-round(min(max(product, -1.0), 1.0), 6) + 0.0, row))
    nearest = sorted(pairs)[:k]
    return [row for _, row in nearest], [-similarity + 0.0 for similarity, _ in nearest]


@st.composite
def searches(draw):
    """Rows with duplicates, near duplicates and zeros among them; queries, some of them rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 64))
    n = draw(st.integers(0, 120))
    distinct = unit(rng.normal(size=(max(1, draw(st.integers(1, 40))), d)))
    rows = distinct[rng.integers(0, len(distinct), n)].reshape(n, d)
    rows = unit(rows + draw(st.sampled_from([0.0, 1e-9, 1e-6, 1e-3])) * rng.normal(size=(n, d)))
    rows[rng.random(n) < draw(st.sampled_from([0.0, 0.2, 1.0]))] = 0
    queries = unit(rng.normal(size=(draw(st.integers(1, 30)), d)))
    known = rng.random(len(queries)) < 0.5
    queries[known] = distinct[rng.integers(0, len(distinct), known.sum())]
    queries[rng.random(len(queries)) < 0.1] = 0
    return rows, queries, draw(st.integers(1, 150))


@settings(deadline=None, max_examples=150)
@given(searches())
def test_faiss_gives_what_the_exact_index_gives(search):
    rows, queries, k = search
    expected = ExactIndex(rows).search(queries, k)
    index = FaissIndex(rows)
    found = index.search(queries, k)
    assert found.rows.shape == (len(queries), min(k, len(rows)))
    np.testing.assert_array_equal(found.similarities, expected.similarities)
    np.testing.assert_array_equal(found.rows, expected.rows)
    for query, near, similarity in zip(queries, found.rows, found.similarities, strict=True):
        alone = index.search(query[None], k)
        np.testing.assert_array_equal(alone.rows[0], near)
        np.testing.assert_array_equal(alone.similarities[0], similarity)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(1, 5), st.integers(1, 40))
def test_the_exact_index_follows_the_rule(seed, n, d, k):
    rng = np.random.default_rng(seed)
    rows = unit(rng.integers(-1, 2, size=(n, d))) if n else np.zeros((0, d), np.float32)
    queries = unit(rng.integers(-1, 2, size=(3, d)))
    found = ExactIndex(rows).search(queries, k)
    for query, near, similarity in zip(queries, found.rows, found.similarities, strict=True):
        assert (near.tolist(), similarity.tolist()) == by_hand(rows, query, k)


@BOTH
def test_hand_worked(kind):
    index = kind(unit([[1, 0], [0, 1], [3, 4], [-1, 0]]))
    near = index.search(unit([[1, 0], [0, 2]]), 3)
    assert near.rows.tolist() == [[0, 2, 1], [1, 2, 0]]
    assert near.similarities.tolist() == [[1.0, 0.6, 0.0], [1.0, 0.8, 0.0]]
    assert (len(index), index.dim) == (4, 2)
    assert isinstance(index, NeighborIndex)


@BOTH
@pytest.mark.parametrize("k", [1, 7, 8, 9, 100, 399, 400, 401])
def test_hundreds_of_equal_rows_tie_at_the_last_place(kind, k):
    # A nearer row last, a farther one first; in between four hundred alike.
    rows = unit([[0, 1]] + [[3, 4]] * 400 + [[4, 3]])
    near = kind(rows).search(unit([[1, 0]]), k)
    assert near.rows[0].tolist() == [401, *range(1, 401), 0][:k]
    assert near.similarities[0].tolist() == [0.8, *[0.6] * 400, 0.0][:k]


@BOTH
def test_what_differs_by_less_than_the_rounding_ties(kind):
    tilted = np.array([[1, 3e-4], [1, 1e-4], [1, 2e-3], [1, 0]], dtype=np.float32)
    near = kind(tilted).search(np.array([[0.5, 0.0005]], dtype=np.float32), 4)
    # 0.50000015, 0.50000005, 0.500001, 0.5: only the third is another number at 1e-6.
    assert near.rows.tolist() == [[2, 0, 1, 3]]
    assert near.similarities.tolist() == [[0.500001, 0.5, 0.5, 0.5]]


@BOTH
def test_more_neighbors_than_rows(kind):
    assert kind(unit([[1, 0]])).search(unit([[3, 4]]), 10).rows.tolist() == [[0]]
    near = kind(unit([[1, 0], [0, 1]])).search(unit([[3, 4]]), 10)
    assert near.rows.tolist() == [[1, 0]]


@BOTH
def test_an_empty_index(kind):
    index = kind(np.zeros((0, 4), np.float32))
    near = index.search(np.zeros((3, 4), np.float32), 5)
    assert (near.rows.shape, near.k, len(index), index.dim) == ((3, 0), 0, 0, 4)
    assert near.rows.dtype == np.int64


@BOTH
def test_no_queries(kind):
    assert kind(np.eye(3, dtype=np.float32)).search(np.zeros((0, 3), np.float32), 2).rows.shape == (
        0,
        2,
    )


@BOTH
def test_zero_rows_are_like_nothing(kind):
    index = kind(unit([[0, 0], [-1, 0], [0, 0], [1, 0]]))
    near = index.search(unit([[1, 0], [0, 0]]), 4)
    assert near.rows.tolist() == [[3, 0, 2, 1], [0, 1, 2, 3]]
    assert near.similarities.tolist() == [[1, 0, 0, -1], [0, 0, 0, 0]]
    assert not np.signbit(near.similarities[1]).any()


@BOTH
def test_rounding_leaves_no_minus_zero_and_nothing_beyond_one(kind):
    """Half-precision embedders give norms that are off by up to 1e-3."""
    rows = np.array([[1.0005, 0], [-1.0005, 0], [-1e-8, 1]], dtype=np.float32)
    near = kind(rows).search(np.array([[1, 0]], dtype=np.float32), 3)
    assert near.similarities.tolist() == [[1.0, 0.0, -1.0]]
    assert np.signbit(near.similarities).tolist() == [[False, False, True]]


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_refused(kind, value):
    index = kind(np.eye(3, dtype=np.float32))
    with pytest.raises(EmbedderError, match="holds NaN or infinity"):
        index.search(np.array([[1, 0, 0], [0, value, 0]], np.float32), 2)


@BOTH
def test_wrong_shapes_are_refused(kind):
    with pytest.raises(ValueError, match=r"vectors have shape \(3,\); they must be rows: \(n, d\)"):
        kind(np.zeros(3, np.float32))
    index = kind(np.eye(3, dtype=np.float32))
    with pytest.raises(EmbedderError, match="queries have dimension 2, the rows of the index have"):
        index.search(np.zeros((1, 2), np.float32), 1)
    with pytest.raises(ValueError, match="k is 0; it must be at least 1"):
        index.search(np.zeros((1, 3), np.float32), 0)


def test_many_rows_and_queries_against_the_exact_index():
    """Sizes at which FAISS takes its other path, blocks of a matrix product."""
    rng = np.random.default_rng(5)
    rows = unit(rng.normal(size=(3000, 24)))
    rows[1000:2000] = rows[:1000]
    queries = np.concatenate([rows[:100], unit(rng.normal(size=(100, 24)))])
    expected = ExactIndex(rows).search(queries, 40)
    found = FaissIndex(rows).search(queries, 40)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.similarities, expected.similarities)


class TestFiles:
    def test_round_trip(self, tmp_path):
        rng = np.random.default_rng(1)
        rows, queries = unit(rng.normal(size=(50, 7))), unit(rng.normal(size=(9, 7)))
        index = FaissIndex(rows)
        path = tmp_path / "index.faiss"
        path.write_bytes(index.to_bytes())
        again = FaissIndex.read(path)
        assert (len(again), again.dim) == (50, 7)
        assert again.to_bytes() == index.to_bytes()
        before, after = index.search(queries, 12), again.search(queries, 12)
        np.testing.assert_array_equal(after.rows, before.rows)
        np.testing.assert_array_equal(after.similarities, before.similarities)

    def test_an_empty_index_too(self, tmp_path):
        path = tmp_path / "index.faiss"
        path.write_bytes(FaissIndex(np.zeros((0, 7), np.float32)).to_bytes())
        again = FaissIndex.read(path)
        assert (len(again), again.dim) == (0, 7)

    @pytest.mark.parametrize("content", [b"", b"IxFI", b"no index at all, but some text" * 10])
    def test_what_faiss_cannot_read(self, tmp_path, content):
        path = tmp_path / "index.faiss"
        path.write_bytes(content)
        with pytest.raises(DamagedStoreError, match=r"knnrouter inspect .* --repair") as caught:
            FaissIndex.read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("cut", [1, 5, 20, 60, 200])
    def test_a_truncated_index(self, tmp_path, cut):
        path = tmp_path / "index.faiss"
        path.write_bytes(FaissIndex(np.eye(8, dtype=np.float32)).to_bytes()[:-cut])
        with pytest.raises(DamagedStoreError, match="no index that FAISS can read"):
            FaissIndex.read(path)

    def test_no_file(self, tmp_path):
        with pytest.raises(DamagedStoreError, match="no index that FAISS can read"):
            FaissIndex.read(tmp_path / "missing.faiss")

    @pytest.mark.parametrize(
        ("factory", "metric"),
        [("Flat", faiss.METRIC_L2), ("HNSW8", faiss.METRIC_INNER_PRODUCT)],
    )
    def test_another_kind_of_index(self, tmp_path, factory, metric):
        path = tmp_path / "index.faiss"
        faiss.write_index(faiss.index_factory(4, factory, metric), str(path))
        with pytest.raises(DamagedStoreError, match="not a flat inner-product index; rebuild it"):
            FaissIndex.read(path)


class TestKmeans:
    def test_two_bundles(self):
        rng = np.random.default_rng(3)
        east = unit([[1, 0, 0]] + 0.05 * rng.normal(size=(30, 3)))
        north = unit([[0, 1, 0]] + 0.05 * rng.normal(size=(20, 3)))
        centers, assignment = kmeans(np.concatenate([east, north]), 2, seed=1)
        assert len(set(assignment[:30])) == len(set(assignment[30:])) == 1
        assert assignment[0] != assignment[-1]
        np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1, atol=1e-6)
        for bundle, place in ((east, assignment[0]), (north, assignment[-1])):
            np.testing.assert_allclose(centers[place], unit([bundle.sum(axis=0)])[0], atol=1e-5)

    def test_weights_pull_the_center(self):
        rows = unit([[1, 0], [0, 1], [0, 1]])
        centers, _ = kmeans(rows, 1, weights=np.array([2.0, 1.0, 1.0]))
        np.testing.assert_allclose(centers, unit([[2, 2]]), atol=1e-6)
        centers, _ = kmeans(rows, 1, weights=np.array([6.0, 4.0, 4.0]))
        np.testing.assert_allclose(centers, unit([[6, 8]]), atol=1e-6)

    @settings(deadline=None, max_examples=30)
    @given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 50))
    def test_each_row_goes_to_its_nearest_center(self, seed, n, k):
        rows = unit(np.random.default_rng(seed).normal(size=(n, 4)))
        centers, assignment = kmeans(rows, k, seed=seed)
        assert centers.shape == (min(k, n), 4)
        products = rows.astype(float) @ centers.T.astype(float)
        np.testing.assert_allclose(
            products[np.arange(n), assignment], products.max(axis=1), atol=1e-5
        )

    def test_one_seed_one_answer(self):
        rows = unit(np.random.default_rng(0).normal(size=(200, 5)))
        one, two = kmeans(rows, 9, seed=4), kmeans(rows, 9, seed=4)
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
        assert (kmeans(rows, 9, seed=5)[1] != one[1]).any()

    def test_as_many_centers_as_rows(self):
        rows = unit([[1, 0], [0, 1]])
        for k in (2, 7):
            centers, assignment = kmeans(rows, k)
            np.testing.assert_array_equal(centers, rows)
            assert assignment.tolist() == [0, 1]
        assert kmeans(np.zeros((0, 2), np.float32), 3)[1].tolist() == []

    def test_zero_rows_and_fewer_distinct_rows_than_centers(self):
        centers, assignment = kmeans(np.zeros((5, 3), np.float32), 2)
        assert not centers.any()
        assert assignment.shape == (5,)
        centers, _ = kmeans(unit([[1, 0]] * 6), 3)
        assert np.isfinite(centers).all()

    def test_quiet(self, capfd):
        kmeans(unit(np.random.default_rng(0).normal(size=(50, 3))), 20)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("k", [0, -2])
    def test_no_center(self, k):
        with pytest.raises(ValueError, match=f"k is {k}; there must be at least 1 center"):
            kmeans(np.eye(3, dtype=np.float32), k)
