"""What the code of Srivatsa et al. 2024 (arXiv 2405.00467) lets leak or slip: here it does not."""

import warnings

import numpy as np
import pytest

from knnrouter import RecordSet, Router, policies
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import PolicyError
from knnrouter.estimators import KNN, Clusters, MultiLabel
from knnrouter.evaluation import (
    Outcomes,
    by_folds,
    evaluate,
    k_fold,
    oracle_columns,
    oracle_costs,
    query_oracle,
    scored,
)
from knnrouter.policies import Candidates

pytest.importorskip("sklearn", reason="classifiers and TF-IDF need the extra `train`")

TOPICS = ("How long is river {}?", "Write verse {} on the sea.", "Sort list {} in C.")
EMBEDDER = FunctionEmbedder(
    lambda texts: [[text.count(letter) + 0.01 for letter in "aeiorstvw?"] for text in texts],
    dim=10,
    id="letters",
)
ESTIMATORS = {
    "clusters of TF-IDF": Clusters(k=4, features="tfidf", shrinkage=0),
    "clusters of vectors": Clusters(k=4, shrinkage=0),
    "classifier": MultiLabel(c=1.0),
    "votes": KNN(k=5, weights="similarity", shrinkage=1),
}


def records(seed=0, n=60):
    rng = np.random.default_rng(seed)
    rates = np.where(np.arange(3) == np.arange(n)[:, None] % 3, 0.9, 0.3)
    return RecordSet(
        ids=[str(row) for row in range(n)],
        queries=[TOPICS[row % 3].format(row) for row in range(n)],
        models=("a", "b", "c"),
        scores=(rng.random((n, 3)) < rates).astype(float),
        costs=np.tile([0.001, 0.002, 0.004], (n, 1)),
        latency_ms=np.tile([700.0, 7100.0, 1800.0], (n, 1)),
    )


def changed(whole, row, *, query=None, scores=None):
    queries, table = list(whole.queries), whole.scores.copy()
    if query is not None:
        queries[row] = query
    if scores is not None:
        table[row] = scores
    return RecordSet(**whole.as_dict() | {"queries": queries, "scores": table})


@pytest.fixture(params=list(ESTIMATORS))
def estimator(request):
    return ESTIMATORS[request.param]


def folded(whole, estimator):
    """What was expected on each row, by its id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = by_folds(whole, 3, embedder=EMBEDDER, estimator=estimator, seed=1)
    return dict(zip(found.ids, found.estimated_scores.tolist(), strict=True))


class TestFittedOnTrainOnly:
    """(a) Their TF-IDF and their k-means are fitted to train and test together."""

    def test_what_is_tested_does_not_shape_what_is_expected(self, estimator):
        whole = records()
        (fold,) = [set(s.test.tolist()) for s in k_fold(whole, 3, seed=1) if 7 in s.test]
        before = folded(whole, estimator)
        after = folded(changed(whole, 7, query="Sing of list verse river 99?"), estimator)
        mates = [str(row) for row in fold - {7}]
        assert len(mates) == 19
        assert [after[name] for name in mates] == [before[name] for name in mates]
        assert after["7"] != before["7"]
        others = set(before) - set(mates) - {"7"}  # these did learn from the row
        assert any(after[name] != before[name] for name in others)

    def test_a_rows_own_outcome_does_not_count(self, estimator):
        whole = records()
        turned = changed(whole, 7, scores=1 - whole.scores[7])
        assert folded(turned, estimator)["7"] == folded(whole, estimator)["7"]

    def test_a_query_is_judged_alone(self, estimator):
        router = Router.fit(records(), embedder=EMBEDDER, estimator=estimator, seed=1)
        queries = [TOPICS[row % 3].format(row) for row in range(60, 80)]
        together = router.estimate(queries).scores
        alone = np.concatenate([router.estimate([query]).scores for query in queries])
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


class TestOracle:
    """(b) Theirs takes the first model in the list that is right, and leaves out the unsolved."""

    scores = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    spent = np.tile([7.1, 4.7, 0.7], (4, 1))  # seconds or dollars

    def test_it_takes_the_cheapest_that_is_right(self):
        assert oracle_columns(self.scores, self.spent).tolist() == [2, 2, 2, 2]
        assert oracle_columns(self.scores).tolist() == [0, 1, 0, 0]  # where nothing is known

    def test_it_pays_for_every_query(self):
        paid = oracle_costs(self.scores, self.spent)
        assert paid.tolist() == [0.7, 0.7, 0.7, 0.7]
        theirs = np.mean([7.1, 4.7, 7.1])  # the first that is right, of those that are solved
        assert paid.mean() < theirs
        assert query_oracle(self.scores).mean() == 0.75


class TestAllQueriesCount:
    """(c) Their latency is that of the questions that were answered right."""

    def outcomes(self):
        whole = records(n=4)
        return Outcomes(
            ids=whole.ids,
            queries=whole.queries,
            tasks=whole.tasks,
            models=whole.models,
            scores=np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]]),
            costs=whole.costs,
            chosen=np.array([0, 1, 2, 1]),  # right once, on the cheapest
            single=np.zeros(4, dtype=np.int64),
        ), whole

    def test_costs(self):
        outcomes, whole = self.outcomes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = evaluate(outcomes, whole, draws=50)
        assert report.n == 4
        assert report.quality.estimate == 0.25
        # Of the right answers alone it would be 0.001.
        assert report.cost.estimate == pytest.approx((0.001 + 0.002 + 0.004 + 0.002) / 4)

    def test_latency(self):
        outcomes, whole = self.outcomes()
        taken = scored(whole.latency_ms, outcomes.chosen)
        assert taken.tolist() == [700.0, 7100.0, 1800.0, 7100.0]


class TestTargets:
    """(d) Their regression gets its targets from the test questions, cut to the shorter list."""

    scores = np.random.default_rng(0).random((40, 3))
    measured = (np.random.default_rng(1).random((40, 3)) < scores).astype(float)

    def test_they_are_those_of_the_queries_that_are_given(self):
        found = policies.Prediction.fit(self.scores, self.measured, "abc")
        turned = np.random.default_rng(2).permutation(40)
        same = policies.Prediction.fit(self.scores[turned], self.measured[turned], "abc")
        assert same.coefficients == pytest.approx(found.coefficients)
        mixed = policies.Prediction.fit(self.scores, self.measured[turned], "abc")
        assert mixed.coefficients != pytest.approx(found.coefficients, abs=0.01)

    def test_targets_of_other_queries_are_refused(self):
        with pytest.raises(PolicyError, match="one row a training query and one column a model"):
            policies.Prediction.fit(self.scores, self.measured[:30], "abc")

    def test_a_policy_holds_nothing_but_its_regression(self):
        """So that no test question can change a choice on another one."""
        policy = policies.Prediction.fit(self.scores, self.measured, "abc", rule="nearest")
        again = policies.parse(policies.spec(policy))
        for row in self.scores.tolist():
            asked = Candidates(models=tuple("abc"), scores=row, costs=(1.0,) * 3)
            assert again(asked) == policy(asked)


class TestNoSilentAbstention:
    """(e) Their ArgMax gives no answer where no label is predicted, and does not say how often."""

    @pytest.fixture(scope="class")
    @classmethod
    def router(cls):
        whole = records()
        hard = RecordSet(**whole.as_dict() | {"scores": whole.scores * 0.4})
        return Router.fit(hard, embedder=EMBEDDER, estimator=MultiLabel(c=1.0), seed=1)

    asked = [TOPICS[row % 3].format(row) for row in range(60, 90)]

    @pytest.mark.parametrize(
        "policy",
        [
            "best_score",
            "random_among_top",
            "prediction:models=(a,b,c),coefficients=(1,0,0),intercept=0",
            "prediction:models=(a,b,c),coefficients=(1,0,0),intercept=0,rule=nearest",
        ],
    )
    def test_a_query_that_nobody_is_trusted_with_is_answered(self, router, policy):
        decisions = router.route_many(self.asked, policy=policy)
        assert all(max(each.scores.values()) < 0.5 for each in decisions)
        assert {each.model for each in decisions} <= {"a", "b", "c"}
        assert not any(each.fallback for each in decisions)

    def test_and_whoever_wants_to_know_is_told(self, router):
        decisions = router.route_many(self.asked, policy="cheapest_above:min_score=0.5")
        assert {each.reason_code for each in decisions} == {"none_above"}
        assert all(each.fallback for each in decisions)
        best = router.route_many(self.asked, policy="best_score")
        assert [each.model for each in decisions] == [each.model for each in best]

    def test_every_query_counts(self):
        whole = records()
        hard = RecordSet(**whole.as_dict() | {"scores": whole.scores * 0.4})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes = by_folds(hard, 3, embedder=EMBEDDER, estimator=MultiLabel(c=1.0), seed=1)
            report = evaluate(outcomes, hard, draws=50)
        assert (outcomes.estimated_scores < 0.5).all()  # they would give no answer at all
        assert report.n == 60
        assert report.quality.estimate == pytest.approx(outcomes.routed.mean())
        assert report.quality.estimate > 0.2
