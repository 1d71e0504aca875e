import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators import KNN, tuning
from knnrouter.estimators.ballots import Ballots, task_numbers
from knnrouter.records import RecordSet

NAN = float("nan")


def slow_loss(twin, records, vectors, task_of, row, knn):
    """Vote on one row without it and all rows of its text, and see how far off that is."""
    near, means = twin.left_out(records, vectors, task_of, row, knn)
    estimates = [x.score for x in twin.vote(records, task_of, near, knn, means)]
    scores = twin.plain(records.scores)
    return squared_error(estimates, scores[row], comparing=_comparing(scores))


def _comparing(scores):
    return any(sum(not math.isnan(s) for s in row) > 1 for row in scores)


def squared_error(estimates, scores, *, comparing):
    errors = [
        (0.5 if math.isnan(e) else e) - s
        for e, s in zip(estimates, scores, strict=True)
        if not math.isnan(s)
    ]
    middle = sum(errors) / len(errors) if comparing and errors else 0.0
    return sum((e - middle) ** 2 for e in errors) / max(len(errors), 1)


def fast_losses(evidence, knn, *, seed=0):
    """The grid of some settings, and the losses of each on every row."""
    ballots = Ballots(evidence.records, task_numbers(evidence, seed=seed))
    grid = tuning._grid(knn, len(evidence.records))
    rows = np.arange(len(evidence.records))
    left_out = tuning._LeftOut.of(evidence, ballots, rows, max(each.k for each in grid))
    losses = None if left_out is None else tuning._losses(grid, left_out, ballots)
    return grid, losses, ballots.task_means.task_of.tolist()


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 26),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
)
def test_losses_are_those_of_a_vote_without_the_row(twin, seed, n, m, missing, named):
    rng = np.random.default_rng(seed)
    texts = [None, *"abcdefghijklmno"]
    records = twin.random_records(
        rng,
        n=n,
        m=m,
        missing=missing,
        tasks=("s", "t", "u", None) if named else (None,),
        queries=[texts[place] for place in rng.integers(0, len(texts), n)],
        weights=rng.choice([1.0, 2.0, 5.0], n),
    )
    vectors = twin.unit(rng.normal(size=(n, 3)).round(1))
    weights = ["uniform", "similarity", "softmax"][seed % 3]
    k = int(rng.integers(1, 8))
    knn = KNN(k=k, weights=weights, temperature=0.3)
    grid, losses, task_of = fast_losses(twin.evidence(records, vectors), knn)
    texts_differ = len(set(records.queries) - {None}) + records.queries.count(None) > 1
    assert (losses is not None) == texts_differ
    for each, found in zip(grid, losses or [], strict=False):
        expected = [slow_loss(twin, records, vectors, task_of, row, each) for row in range(n)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_a_real_refit_without_the_row_comes_to_nearly_the_same(twin):
    """What the approximation leaves in, a row's part in the means over all tasks, is small."""
    rng = np.random.default_rng(8)
    n = 70
    records = twin.random_records(rng, n=n, m=3, missing=0.2)
    vectors = twin.unit(rng.normal(size=(n, 3)))
    knn = KNN(k=8, weights="softmax", temperature=0.2)
    grid, losses, _ = fast_losses(twin.evidence(records, vectors), knn)
    scores = twin.plain(records.scores)
    for each, found in zip(grid, losses, strict=True):
        refitted = []
        for row in range(n):
            rest = np.delete(np.arange(n), row)
            evidence = twin.evidence(records.select(rest), vectors[rest])
            query = vectors[row : row + 1]
            estimates = each.fit(evidence).estimate(query, evidence.index.search(query, 8))
            refitted.append(squared_error(estimates.scores[0], scores[row], comparing=True))
        np.testing.assert_allclose(found, refitted, atol=0.012)
        assert np.mean(found) == pytest.approx(np.mean(refitted), abs=1e-3)


def test_the_grid_runs_from_smooth_to_bold():
    grid = tuning._grid(KNN(), 1000)
    assert len(grid) == len(set(grid)) == 4 * 6 * 6
    assert {each.k for each in grid} == {16, 32, 64, 128}
    shrinkage = [each.shrinkage for each in grid]
    assert shrinkage == sorted(shrinkage, reverse=True)
    alike = [each for each in grid if each.shrinkage == 16]
    assert [each.k for each in alike] == sorted((each.k for each in alike), reverse=True)


def test_what_is_fixed_stays(twin):
    rng = np.random.default_rng(2)
    records = twin.random_records(rng, n=90, m=2)
    evidence = twin.evidence(records, twin.unit(rng.normal(size=(90, 3))))
    fixed = {"k": 7, "weights": "similarity", "temperature": 0.7, "shrinkage": 3.0}
    for name, value in fixed.items():
        assert KNN(**{name: value}).fit(evidence).settings[name] == value
    assert KNN(**fixed).fit(evidence).settings == {"kind": "knn", **fixed}
    assert KNN(k=500).fit(evidence).neighbors == 500


def choose_slowly(grid, losses, weights):
    """The middle one of the most shrunk settings within one standard error of the least loss."""
    total = sum(weights)

    def mean(values):
        return sum(w * v for w, v in zip(weights, values, strict=True)) / total

    best = min(losses, key=mean)
    near = []
    for knn, loss in zip(grid, losses, strict=True):
        worse = [a - b for a, b in zip(loss, best, strict=True)]
        excess = mean(worse)
        spread = mean([(x - excess) ** 2 for x in worse])
        if excess <= math.sqrt(spread * sum(w * w for w in weights)) / total:
            near.append(knn)
    shrunk = [knn for knn in near if knn.shrinkage == max(each.shrinkage for each in near)]
    return shrunk[len(shrunk) // 2]


@pytest.mark.parametrize("seed", range(6))
def test_the_choice_is_the_most_shrunk_within_one_standard_error(twin, seed):
    rng = np.random.default_rng(seed)
    n = 80
    vectors = twin.unit(rng.normal(size=(n, 2)))
    sides = vectors[:, 0] > 0
    right = 0.5 + 0.5 * (seed / 6)  # how far the neighborhood tells the score
    scores = np.stack([sides, ~sides], axis=1)
    scores = np.where(rng.random((n, 2)) < right, scores, rng.integers(0, 2, (n, 2)))
    records = twin.random_records(
        rng, n=n, m=2, scores=scores, tasks=("s", "t"), weights=rng.choice([1.0, 3.0], n)
    )
    evidence = twin.evidence(records, vectors)
    grid, losses, _ = fast_losses(evidence, KNN())
    expected = choose_slowly(grid, [loss.tolist() for loss in losses], records.weights.tolist())
    assert KNN().fit(evidence).knn == expected


def twins_of_noise(texts):
    """Sixty queries, each there twice with the same noisy outcome; nothing else to be learned."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 2, (60, 2)).astype(float)
    vectors = rng.normal(size=(60, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    records = RecordSet(
        ids=[str(row) for row in range(120)],
        queries=texts,
        tasks=["t"] * 120,
        models=("a", "b"),
        scores=np.concatenate([scores, scores]),
    )
    return records, np.concatenate([vectors, vectors]).astype(np.float32)


def test_rows_of_one_text_are_left_out_together(twin):
    each_twice = [f"query {row % 60}" for row in range(120)]
    honest = KNN(weights="softmax", temperature=0.05).fit(
        twin.evidence(*twins_of_noise(each_twice))
    )
    assert honest.settings["shrinkage"] == 1024
    # The same rows under texts that differ: the copy gives the answer away.
    all_differ = [f"query {row}" for row in range(120)]
    leaking = KNN(weights="softmax", temperature=0.05).fit(
        twin.evidence(*twins_of_noise(all_differ))
    )
    assert leaking.settings["shrinkage"] <= 4


def test_what_neighbors_know_is_used(twin):
    rng = np.random.default_rng(4)
    vectors = twin.unit(rng.normal(size=(200, 2)))
    scores = np.stack([vectors[:, 0] > 0, vectors[:, 0] <= 0], axis=1).astype(float)
    records = twin.random_records(rng, n=200, m=2, scores=scores, tasks=("t",))
    evidence = twin.evidence(records, vectors)
    fitted = KNN().fit(evidence)
    assert fitted.settings["shrinkage"] <= 16
    queries = twin.unit([[1, 0], [-1, 0]])
    found = fitted.estimate(queries, evidence.index.search(queries, fitted.neighbors))
    assert found.scores[0, 0] > 0.9 > 0.1 > found.scores[0, 1]
    assert found.scores[1, 1] > 0.9 > 0.1 > found.scores[1, 0]


def test_one_model_is_tuned_on_the_error_itself(twin):
    """With one model there is no difference to other models; nor where one a row is measured."""
    rng = np.random.default_rng(4)
    vectors = twin.unit(rng.normal(size=(120, 2)))
    good = (vectors[:, :1] > 0).astype(float)
    one = twin.random_records(rng, n=120, m=1, scores=good, tasks=("t",))
    by_turns = np.where(np.arange(120)[:, None] % 2 == [0, 1], np.hstack([good, good]), NAN)
    two = twin.random_records(rng, n=120, m=2, scores=by_turns, tasks=("t",))
    beside = np.hstack([good, np.full((120, 1), NAN)])
    unmeasured = twin.random_records(rng, n=120, m=2, scores=beside, tasks=("t",))
    settings = [KNN().fit(twin.evidence(each, vectors)).settings for each in (one, two, unmeasured)]
    assert settings[0] == settings[2]
    assert all(each["shrinkage"] <= 16 for each in settings)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("tasks", [("t",), (None,)])
@pytest.mark.parametrize("m", [1, 2])
def test_a_handful_of_rows(twin, n, tasks, m):
    rng = np.random.default_rng(n)
    records = twin.random_records(rng, n=n, m=m, missing=0.0, tasks=tasks)
    evidence = twin.evidence(records, twin.unit(rng.normal(size=(n, 3))))
    fitted = KNN().fit(evidence)
    assert fitted.neighbors == 1
    query = evidence.vectors[:1]
    found = fitted.estimate(query, evidence.index.search(query, 1))
    assert np.isfinite(found.scores).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


@pytest.mark.parametrize("n", [1, 2, 50])
def test_all_rows_of_one_text(twin, n):
    rng = np.random.default_rng(n)
    records = twin.random_records(rng, n=n, m=2, missing=0.0, queries=["the same"] * n)
    evidence = twin.evidence(records, np.array([[1, 0]] * n, np.float32))
    assert KNN().fit(evidence).settings == {
        "kind": "knn",
        "k": 1,
        "weights": "softmax",
        "temperature": 0.05,
        "shrinkage": 4.0,
    }
    assert KNN(k=9, shrinkage=0.0).fit(evidence).settings["k"] == 9


def test_two_texts_many_times(twin):
    """Most rows have as many copies as there are neighbors to look at."""
    rng = np.random.default_rng(3)
    records = twin.random_records(
        rng, n=40, m=2, missing=0.0, tasks=("t",), queries=["one"] * 39 + ["two"]
    )
    vectors = np.array([[1, 0]] * 39 + [[0, 1]], np.float32)
    grid, losses, task_of = fast_losses(twin.evidence(records, vectors), KNN())
    for each, found in list(zip(grid, losses, strict=True))[::7]:
        expected = [slow_loss(twin, records, vectors, task_of, row, each) for row in (0, 38, 39)]
        np.testing.assert_allclose(found[[0, 38, 39]], expected, rtol=1e-9, atol=1e-9)


def test_one_seed_one_choice_also_where_rows_are_drawn(twin, monkeypatch):
    rng = np.random.default_rng(6)
    records = twin.random_records(rng, n=300, m=2, tasks=(None,))
    evidence = twin.evidence(records, twin.unit(rng.normal(size=(300, 4))))
    assert KNN().fit(evidence, seed=1).settings == KNN().fit(evidence, seed=1).settings
    monkeypatch.setattr(tuning, "MAX_LEFT_OUT", 50)
    assert tuning._drawn(300, 7).tolist() == tuning._drawn(300, 7).tolist()
    assert tuning._drawn(300, 7).tolist() != tuning._drawn(300, 8).tolist()
    drawn = tuning._drawn(300, 7)
    assert len(set(drawn.tolist())) == 50
    assert drawn.tolist() == sorted(drawn.tolist())
    assert KNN().fit(evidence, seed=1).settings == KNN().fit(evidence, seed=1).settings
    assert tuning._drawn(50, 7).tolist() == list(range(50))


class TestTasks:
    def test_names_become_numbers_and_unnamed_rows_a_task(self, twin):
        records = RecordSet(
            ids=tuple("12345"),
            models=("m",),
            scores=np.ones((5, 1)),
            tasks=("law", None, "art", "law", None),
        )
        numbers = task_numbers(twin.evidence(records, np.eye(5, dtype=np.float32))).tolist()
        assert numbers[0] == numbers[3]
        assert numbers[1] == numbers[4]
        assert len(set(numbers)) == 3

    def test_clusters_stand_in_where_no_task_is_named(self, twin):
        rng = np.random.default_rng(0)
        poles = np.array([[1, 0, 0]] * 90 + [[0, 1, 0]] * 90 + [[0, 0, 1]] * 60)
        vectors = twin.unit(poles + 0.05 * rng.normal(size=(240, 3)))
        records = twin.random_records(rng, n=240, m=1, missing=0, tasks=(None,))
        evidence = twin.evidence(records, vectors)
        numbers = task_numbers(evidence, seed=0)
        assert set(numbers.tolist()) <= {0, 1, 2, 3}
        pairs = set(zip(poles.argmax(axis=1).tolist(), numbers.tolist(), strict=True))
        assert len(pairs) == len(set(numbers.tolist())) == 4  # no cluster spans two poles
        np.testing.assert_array_equal(numbers, task_numbers(evidence, seed=0))

    def test_few_rows_are_one_cluster(self, twin):
        rng = np.random.default_rng(0)
        records = twin.random_records(rng, n=59, m=1, missing=0, tasks=(None,))
        vectors = twin.unit(rng.normal(size=(59, 3)))
        assert set(task_numbers(twin.evidence(records, vectors)).tolist()) == {0}


class TestPriorVariance:
    """How far the truth strays from what is known of the tasks."""

    def strays(self, twin, records, vectors, **settings):
        knn = KNN(**{"k": 1, "weights": "uniform", "shrinkage": 4.0} | settings)
        return knn.fit(twin.evidence(records, vectors)).arrays["prior_variance"]

    def test_hand_worked(self, twin):
        pair = RecordSet(ids=("n", "e"), models=("a",), scores=[[1], [0]], tasks=("t", "t"))
        # Left out, each row sees the other: votes 0 and 1. The overall mean is 1/2; the task's mean
        # without the row is (0 + 10) / 21 or (1 + 10) / 21, and uncertain by 1/22; the distance
        # from the vote 10/21. The local variance is 10/11 of 1/4, as one vote has no spread.
        apart = (10 / 21) ** 2 - 10 / 44 * (1 - 1 / 22)
        expected = (2 * apart + 20 * (1 / 4) / 4) / 22
        assert self.strays(twin, pair, np.eye(2, dtype=np.float32)) == pytest.approx([expected])

    def test_one_row_says_what_its_shrinkage_says(self, twin):
        one = RecordSet(ids=("n",), models=("a", "b"), scores=[[0.5, NAN]], weights=[4.0])
        found = self.strays(twin, one, np.eye(1, dtype=np.float32))
        assert found == pytest.approx([(0.5 - 0.25) / 4, NAN], nan_ok=True)

    def test_no_prior_no_straying(self, twin):
        pair = RecordSet(ids=("n", "e"), models=("a",), scores=[[1], [0]], tasks=("t", "t"))
        assert self.strays(twin, pair, np.eye(2, dtype=np.float32), shrinkage=0.0) == [0.0]

    @pytest.mark.parametrize("swing", [0.0, 0.2, 0.4])
    def test_what_was_put_in_is_found(self, twin, swing):
        """One task, in which the chance of a right answer swings with the direction."""
        rng = np.random.default_rng(3)
        n = 1000
        angle = rng.uniform(0, 2 * np.pi, n)
        vectors = twin.unit(np.stack([np.cos(angle), np.sin(angle)], axis=1))
        right = rng.random(n) < 0.5 + swing * np.cos(angle)
        records = RecordSet(
            ids=[str(row) for row in range(n)],
            models=("a",),
            scores=right[:, None].astype(float),
            tasks=["t"] * n,
        )
        found = self.strays(twin, records, vectors, k=30, shrinkage=100.0)
        assert found == pytest.approx([swing**2 / 2], abs=0.006)  # the mean of (swing cos)²
