import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators.clusters import partition
from knnrouter.estimators.clusters.partition import Partition, by_cosine, by_distance


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_nearest_is_nearest(seed, n, k, spherical):
    rng = np.random.default_rng(seed)
    rows, centers = rng.normal(size=(n, 3)).round(1), rng.normal(size=(k, 3)).round(1)
    parted = Partition(centers=centers, spherical=spherical)
    for row, found in zip(rows.tolist(), parted.nearest(rows).tolist(), strict=True):
        if spherical:
            far = [-round(sum(a * b for a, b in zip(row, c, strict=True)), 6) for c in centers]
        else:
            square = sum(a * a for a in row)
            far = [
                round((sum((a - b) ** 2 for a, b in zip(row, c, strict=True)) - square) / 2, 6)
                for c in centers
            ]
        assert far[found] == pytest.approx(min(far), abs=2e-6)


def test_a_tie_goes_to_the_first_center_alone_and_in_a_batch():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(1, 64))
    parted = Partition(centers=np.vstack((half, half, -half)), spherical=True)
    rows = np.repeat(half + 0.1 * rng.normal(size=(1, 64)), 33, axis=0)
    assert set(parted.nearest(rows).tolist()) == {0}
    assert parted.nearest(rows[:1]).tolist() == [0]


def blobs(rng, *, n=60, d=8, groups=4):
    centers = np.eye(d)[:groups]
    group = np.arange(n) % groups
    rows = centers[group] + 0.15 * rng.normal(size=(n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), group


@pytest.mark.parametrize("by", [by_cosine, by_distance])
def test_it_finds_the_groups(by):
    pytest.importorskip("sklearn", reason="distances are scikit-learn's")
    rows, group = blobs(np.random.default_rng(1))
    parted = by(
        rows.astype(np.float64) if by is by_distance else rows, 4, weights=np.ones(60), seed=3
    )
    pairs = set(zip(parted.nearest(rows).tolist(), group.tolist(), strict=True))
    assert len(pairs) == 4


def test_the_best_of_several_starts(monkeypatch):
    """More starts are never worse, and here better."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    def nearness(starts, seed):
        monkeypatch.setattr(partition, "_STARTS", starts)
        parted = by_cosine(rows, 9, weights=np.ones(300), seed=seed)
        return parted.nearness(rows).max(axis=1).sum()

    assert max(nearness(1, seed) for seed in range(6)) == pytest.approx(nearness(6, 0), abs=1e-3)
    assert nearness(6, 0) > min(nearness(1, seed) for seed in range(6))


def test_more_clusters_than_rows():
    rows, _ = blobs(np.random.default_rng(3), n=5)
    assert len(by_cosine(rows, 9, weights=np.ones(5), seed=0)) == 5
    pytest.importorskip("sklearn", reason="distances are scikit-learn's")
    twice = np.vstack((rows, rows)).astype(np.float64)
    assert len(by_distance(twice, 9, weights=np.ones(10), seed=0)) == 5


def test_a_heavy_row_draws_the_center():
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], np.float32)
    heavy = by_cosine(rows[:2], 1, weights=np.array([3.0, 1.0]), seed=0)
    assert heavy.centers[0] == pytest.approx([3 / 10**0.5, 1 / 10**0.5], abs=1e-6)


def test_of_many_rows_some_are_drawn(monkeypatch):
    monkeypatch.setattr(partition, "_MOST_ROWS", 40)
    rows, group = blobs(np.random.default_rng(4), n=400)
    parted = by_cosine(rows, 4, weights=np.ones(400), seed=0)
    assert len(set(zip(parted.nearest(rows).tolist(), group.tolist(), strict=True))) == 4
