import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators import KNN
from knnrouter.records import RecordSet

NAN = float("nan")
SETTINGS = st.builds(
    KNN,
    k=st.integers(1, 45),
    weights=st.sampled_from(["uniform", "similarity", "softmax"]),
    temperature=st.sampled_from([0.05, 0.1, 1.0]),
    shrinkage=st.sampled_from([0.0, 0.5, 4.0, 100.0]),
)
SIDES = ("costs", "input_tokens", "output_tokens", "latency_ms")


def asked(knn, evidence, queries):
    fitted = knn.fit(evidence)
    return fitted.estimate(queries, evidence.index.search(queries, fitted.neighbors))


def records_of(twin, rng, *, missing, n=None, tasks=("s", "t", None)):
    n, m = n or int(rng.integers(1, 40)), int(rng.integers(1, 5))
    sides = {
        name: np.where(rng.random((n, m)) < missing, NAN, rng.random((n, m))) for name in SIDES
    }
    weights = rng.choice([1.0, 1.0, 2.0, 3.5, 0.5], n)
    return twin.random_records(
        rng, n=n, m=m, missing=missing, tasks=tasks, weights=weights, **sides
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), SETTINGS, st.sampled_from([0.0, 0.4, 0.9]), st.booleans())
def test_the_vote_is_what_its_formulas_say(twin, seed, knn, missing, named):
    rng = np.random.default_rng(seed)
    records = records_of(twin, rng, missing=missing, tasks=("s", "t", None) if named else (None,))
    vectors = twin.unit(rng.normal(size=(len(records), 3)).round(1))
    queries = twin.unit([*rng.normal(size=(2, 3)), vectors[0] + 0.01])
    fitted = knn.fit(twin.evidence(records, vectors))
    found = asked(knn, twin.evidence(records, vectors), queries)
    task_of = fitted.arrays["task_of"].tolist()
    if named:
        assert len(set(task_of)) == len(set(records.tasks))
        assert len(set(zip(task_of, records.tasks, strict=True))) == len(set(records.tasks))
    strays = twin.prior_variance(records, vectors, task_of, knn)
    for place, query in enumerate(queries):
        near = twin.nearest(vectors, query, knn.k)
        expected = twin.vote(records, task_of, near, knn, strays=strays)
        exact = {"rtol": 1e-9, "atol": 1e-9}
        np.testing.assert_allclose(found.scores[place], [x.score for x in expected], **exact)
        np.testing.assert_allclose(found.support[place], [x.support for x in expected], **exact)
        # The root of a rounding error of 1e-16 is one of 1e-8.
        np.testing.assert_allclose(
            found.stderr[place], [x.stderr for x in expected], rtol=1e-6, atol=1e-7
        )
        assert found.similarity[place] == near[0][0]
        for name in SIDES:
            values = getattr(found, name)
            wanted = [getattr(x, name) for x in expected]
            if values is None:
                assert np.isnan(wanted).all()
            else:
                np.testing.assert_allclose(values[place], wanted, **exact)
    scored = found.scores[~np.isnan(found.scores)]
    assert ((scored >= -1e-12) & (scored <= 1 + 1e-12)).all()
    assert not np.isnan(found.support).any()
    assert (found.support >= 0).all()
    np.testing.assert_array_equal(np.isnan(found.stderr), np.isnan(found.scores))


def three(**more):
    """East, a little north of it, and north; of one task."""
    given = {
        "ids": ("e", "en", "n"),
        "models": ("a", "b"),
        "scores": [[1, 0], [0, NAN], [1, 1]],
        "tasks": ("t", "t", "t"),
    }
    return RecordSet(**given | more)


EAST = np.array([[1, 0]], np.float32)
COMPASS = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)


def test_ballots_gathered_a_few_at_a_time_count_alike(twin, monkeypatch):
    rng = np.random.default_rng(4)
    records = records_of(twin, rng, missing=0.3, n=30)
    evidence = twin.evidence(records, twin.unit(rng.normal(size=(30, 3))))
    queries = twin.unit(rng.normal(size=(7, 3)))
    fitted = KNN(k=5, weights="similarity", temperature=0.1, shrinkage=4.0).fit(evidence)
    near = evidence.index.search(queries, 5)
    at_once = fitted.estimate(queries, near)
    for numbers in (1, 500):  # one query at a time, and a few
        monkeypatch.setattr("knnrouter.estimators.ballots._NUMBERS", numbers)
        few = fitted.estimate(queries, near)
        for name in ("scores", "stderr", "support", "costs", "latency_ms"):
            np.testing.assert_array_equal(getattr(few, name), getattr(at_once, name))


def test_hand_worked_uniform(twin):
    knn = KNN(k=2, weights="uniform", shrinkage=0.0)
    found = asked(knn, twin.evidence(three(), COMPASS), EAST)
    # a: 1 and 0 of the two nearest; b: 0 of the one that measured it.
    assert found.scores.tolist() == [[0.5, 0.0]]
    assert found.support.tolist() == [[2.0, 1.0]]
    assert found.similarity.tolist() == [1.0]
    # a: local variance 1/4 (two measurements), overall 2/3 - 4/9 = 2/9 (ten): 49/216; over 2.
    # b: local 0 (one), overall 1/4 (ten): 5/22; over 1.
    assert found.stderr[0] == pytest.approx([(49 / 432) ** 0.5, (5 / 22) ** 0.5])


def test_hand_worked_similarity(twin):
    knn = KNN(k=3, weights="similarity", shrinkage=0.0)
    found = asked(knn, twin.evidence(three(), COMPASS), EAST)
    # Weights 1, 0.8 and 0: a 1/1.8, b 0/1; support of a 1.8² / 1.64.
    assert found.scores[0] == pytest.approx([1 / 1.8, 0])
    assert found.support[0] == pytest.approx([3.24 / 1.64, 1])


def test_hand_worked_softmax(twin):
    knn = KNN(k=2, weights="softmax", temperature=0.2 / np.log(4), shrinkage=0.0)
    found = asked(knn, twin.evidence(three(weights=[1, 4, 1]), COMPASS), EAST)
    # A gap of 0.2 costs a factor of 4, the row counts four times: both votes weigh 1.
    assert found.scores[0] == pytest.approx([0.5, 0.0], abs=1e-6)
    # Weights 1 and 4 with kernels 1 and 1/4: (1 + 1)² / (1 + 1/4).
    assert found.support[0] == pytest.approx([3.2, 1.0], abs=1e-5)


def test_hand_worked_shrinkage(twin):
    knn = KNN(k=1, weights="uniform", shrinkage=3.0)
    found = asked(knn, twin.evidence(three(), COMPASS), EAST)
    # Grand mean 3/5. Overall: a (2 + 12) / 23, b (1 + 12) / 22. The one task: twenty more of these.
    overall = np.array([14 / 23, 13 / 22])
    prior = (np.array([2, 1]) + 20 * overall) / np.array([23, 22])
    assert found.scores[0] == pytest.approx((np.array([1, 0]) + 3 * prior) / 4)
    variance = 10 * np.array([2 / 9, 1 / 4]) / 11  # no spread of a single neighbor
    # One part vote, three parts prior: 1/16 by chance in the vote, 15/16 of that in the prior, and
    # 9/16 of how far the truth strays from the prior.
    doubt = 1 / 16 + 15 / 16 / np.array([23, 22])
    strays = knn.fit(twin.evidence(three(), COMPASS)).arrays["prior_variance"]
    assert found.stderr[0] == pytest.approx(np.sqrt(variance * doubt + 9 / 16 * strays))


def test_costs_tokens_and_latencies_are_means_of_what_was_measured(twin):
    records = three(
        costs=[[0.01, NAN], [0.03, NAN], [9, NAN]],
        input_tokens=[[10, 20], [30, NAN], [999, 999]],
        output_tokens=None,
        latency_ms=[[NAN, NAN], [5, NAN], [1, 1]],
    )
    found = asked(KNN(k=2, weights="uniform", shrinkage=0), twin.evidence(records, COMPASS), EAST)
    np.testing.assert_allclose(found.costs, [[0.02, NAN]])
    np.testing.assert_allclose(found.input_tokens, [[20, 20]])
    np.testing.assert_allclose(found.latency_ms, [[5, NAN]])
    assert found.output_tokens is None


def test_single_precision_is_read_as_the_decimals_that_were_given(twin):
    records = RecordSet(ids=("1", "2"), models=("a",), scores=[[0.7], [0.7]])
    found = asked(
        KNN(k=2, weights="uniform", shrinkage=0), twin.evidence(records, COMPASS[:2]), EAST
    )
    assert found.scores[0, 0] == pytest.approx(0.7, abs=1e-15)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), SETTINGS, st.booleans())
def test_the_order_of_rows_does_not_matter(twin, seed, knn, all_of_them):
    rng = np.random.default_rng(seed)
    records = records_of(twin, rng, missing=0.4)
    vectors = twin.unit(rng.normal(size=(len(records), 4)))
    queries = twin.unit(rng.normal(size=(3, 4)))
    knn = KNN(**vars(knn) | {"k": 50 if all_of_them else knn.k})
    order = rng.permutation(len(records))
    one = asked(knn, twin.evidence(records, vectors), queries)
    other = asked(knn, twin.evidence(records.select(order), vectors[order]), queries)
    for name in ("scores", "stderr", "support", "costs"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), rtol=1e-6, atol=1e-7, err_msg=name
        )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["uniform", "similarity", "softmax"]))
def test_a_row_of_weight_two_is_a_row_given_twice(twin, seed, weights):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 20))
    costs = rng.random((n, 3))
    records = twin.random_records(rng, n=n, m=3, binary=True, costs=costs)
    vectors = twin.unit(rng.normal(size=(n, 3)))
    queries = twin.unit(rng.normal(size=(2, 3)))
    twice = rng.integers(0, 2, n).astype(bool)
    rows = np.concatenate([np.arange(n), np.flatnonzero(twice)])
    doubled = RecordSet(
        ids=[str(place) for place in range(len(rows))],
        models=records.models,
        queries=[records.queries[row] for row in rows],  # so that both are left out together
        tasks=[records.tasks[row] for row in rows],
        scores=records.scores[rows],
        costs=costs[rows],
    )
    weighted = RecordSet(**records.as_dict() | {"weights": 1.0 + twice})
    knn = KNN(k=len(rows), weights=weights, temperature=0.1, shrinkage=5.0)
    one = asked(knn, twin.evidence(doubled, vectors[rows]), queries)
    other = asked(knn, twin.evidence(weighted, vectors), queries)
    for name in ("scores", "stderr", "support", "costs"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), rtol=1e-6, atol=1e-7, err_msg=name
        )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), SETTINGS)
def test_an_unmeasured_model_changes_nothing_for_the_others(twin, seed, knn):
    rng = np.random.default_rng(seed)
    records = records_of(twin, rng, missing=0.3)
    vectors = twin.unit(rng.normal(size=(len(records), 4)))
    queries = twin.unit(rng.normal(size=(3, 4)))
    empty = np.full((len(records), 1), NAN)
    widened = {name: np.hstack([getattr(records, name), empty]) for name in ("scores", *SIDES)}
    wider = RecordSet(**records.as_dict() | widened | {"models": (*records.models, "new")})
    one = asked(knn, twin.evidence(records, vectors), queries)
    other = asked(knn, twin.evidence(wider, vectors), queries)
    for name in ("scores", "stderr", "support", "costs"):
        np.testing.assert_allclose(
            getattr(other, name)[:, :-1], getattr(one, name), rtol=1e-9, atol=1e-9
        )
    assert np.isnan(other.scores[:, -1]).all()
    assert np.isnan(other.stderr[:, -1]).all()
    assert np.isnan(other.costs[:, -1]).all()
    assert (other.support[:, -1] == 0).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["uniform", "similarity", "softmax"]))
def test_without_shrinkage_it_is_the_plain_mean(twin, seed, weights):
    rng = np.random.default_rng(seed)
    records = records_of(twin, rng, missing=0.7)
    vectors = twin.unit(np.abs(rng.normal(size=(len(records), 3))))
    query = twin.unit(np.abs(rng.normal(size=(1, 3))))
    knn = KNN(k=4, weights=weights, temperature=0.3, shrinkage=0.0)
    found = asked(knn, twin.evidence(records, vectors), query)
    near = twin.nearest(vectors, query[0], 4)
    rows = [row for _, row in near]
    votes = records.weights[rows] * twin.kernel([similarity for similarity, _ in near], knn)
    for a in range(len(records.models)):
        scores = records.scores[rows, a]
        known = ~np.isnan(scores)
        wanted = np.average(scores[known], weights=votes[known]) if known.any() else NAN
        assert found.scores[0, a] == pytest.approx(wanted, abs=1e-6, nan_ok=True)
        assert (found.support[0, a] > 0) == known.any()


class TestSparseModels:
    """A model measured on 60 of 2,000 queries is neither ignored nor trusted blindly."""

    N = 2000
    rng = np.random.default_rng(11)
    tasks = np.repeat(["law", "math"], N // 2)
    # Tasks are two poles; a model "old" is right in 60 % of both.
    vectors = np.array([[1, 0, 0]] * (N // 2) + [[0, 1, 0]] * (N // 2)) + 0.3 * rng.normal(
        size=(N, 3)
    )
    old = (rng.random(N) < 0.6).astype(float)

    def estimates(self, twin, sparse, **settings):
        records = RecordSet(
            ids=[str(row) for row in range(self.N)],
            models=("old", "sparse"),
            tasks=self.tasks,
            scores=np.stack([self.old, sparse], axis=1),
        )
        evidence = twin.evidence(records, twin.unit(self.vectors))
        knn = KNN(**{"k": 64, "weights": "uniform", "shrinkage": 32.0} | settings)
        return asked(knn, evidence, twin.unit([[1, 0, 0], [0, 1, 0]]))

    def measured(self, rows, rate):
        scores = np.full(self.N, NAN)
        scores[rows] = self.rng.random(len(rows)) < rate
        return scores

    def test_one_lucky_hit_nearby_does_not_win(self, twin):
        sparse = self.measured(self.rng.choice(self.N, 60, replace=False), 0.3)
        nearest = np.argsort(-twin.unit(self.vectors)[:, 0])[:64]
        sparse[nearest] = NAN
        sparse[nearest[0]] = 1.0
        plain = self.estimates(twin, sparse, shrinkage=0.0)
        assert plain.scores[0, 1] == 1.0  # the plain vote is fooled
        found = self.estimates(twin, sparse)
        assert found.support[0, 1] == 1.0
        assert found.scores[0, 1] < found.scores[0, 0] - 0.1
        assert found.stderr[0, 1] > found.stderr[0, 0]

    def test_being_good_at_a_task_shows_where_no_neighbor_measured_it(self, twin):
        law = self.rng.choice(self.N // 2, 60, replace=False)
        near = np.argsort(-twin.unit(self.vectors)[:, 0])[:64]
        law = law[~np.isin(law, near)]
        sparse = self.measured(law, 1.0)
        math_ = self.N // 2 + self.rng.choice(self.N // 2, 60, replace=False)
        sparse[math_] = 0.0
        found = self.estimates(twin, sparse)
        assert found.support[0, 1] == 0.0
        assert found.scores[0, 1] > found.scores[0, 0]  # not ignored
        assert found.scores[0, 1] < 0.95  # not believed to the letter
        assert found.scores[1, 1] < found.scores[1, 0] - 0.3
        assert found.stderr[0, 1] > found.stderr[0, 0] > 0

    def test_sixty_good_answers_everywhere_are_believed_in_part(self, twin):
        sparse = self.measured(self.rng.choice(self.N, 60, replace=False), 1.0)
        found = self.estimates(twin, sparse)
        assert (found.scores[:, 1] > found.scores[:, 0]).all()
        assert (found.scores[:, 1] < 1 - 0.02).all()


class TestWordlessQueries:
    """A zero vector has no neighborhood, whichever rows the index names."""

    def test_the_overall_means_stand_in(self, twin):
        records = three(costs=[[1, 1]] * 3, input_tokens=[[5, 5]] * 3)
        for weights in ("uniform", "similarity", "softmax"):
            knn = KNN(k=1, weights=weights, temperature=0.1, shrinkage=3.0)
            queries = np.array([[0, 0], [1, 0]], np.float32)
            found = asked(knn, twin.evidence(records, COMPASS), queries)
            assert found.scores[0] == pytest.approx([14 / 23, 13 / 22])
            assert found.support.tolist() == [[0, 0], [1, 1]]
            assert found.similarity.tolist() == [0.0, 1.0]
            chance = np.array([2 / 9, 1 / 4]) / 20
            strays = knn.fit(twin.evidence(records, COMPASS)).arrays["prior_variance"]
            assert found.stderr[0] == pytest.approx(np.sqrt(chance + strays))
            np.testing.assert_array_equal(found.costs, [[NAN, NAN], [1, 1]])
            np.testing.assert_array_equal(found.input_tokens, [[NAN, NAN], [5, 5]])

    def test_nothing_without_shrinkage(self, twin):
        knn = KNN(k=1, weights="uniform", shrinkage=0.0)
        found = asked(knn, twin.evidence(three(), COMPASS), np.zeros((1, 2), np.float32))
        assert np.isnan(found.scores).all()
        assert np.isnan(found.stderr).all()

    def test_opposite_queries_have_no_neighborhood_by_similarity(self, twin):
        knn = KNN(k=1, weights="similarity", shrinkage=3.0)
        found = asked(knn, twin.evidence(three(), COMPASS), -EAST)
        assert found.similarity.tolist() == [0.0]  # north
        assert found.scores[0] == pytest.approx([14 / 23, 13 / 22])
        assert found.support.tolist() == [[0, 0]]
