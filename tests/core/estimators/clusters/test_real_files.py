"""Routers by clusters on the real benchmark files."""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import Router, read_records
from knnrouter.estimators import Clusters, UniRoute
from knnrouter.records import RecordSet

BESIDE = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "routerbench").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)


@pytest.fixture(scope="module")
def arc():
    """Eleven models on ARC-Challenge, with costs; only rows that all were measured on."""
    records = read_records(DATA / "routerbench" / "arc_challenge_train.csv")
    return records.select(~np.isnan(records.scores).any(axis=1))


@pytest.mark.parametrize("alpha", [0.25, 0.53, 1.0])
def test_with_one_cluster_the_policy_chooses_as_the_paper_s_code(arc, alpha):
    router = Router.fit(arc, estimator="avengers_pro:k=35,top_p=1")
    rows = router.evidence.vectors[:200]
    sums = router.estimator.rank_sums(rows, alpha=alpha)
    decisions = router.route_many(
        list(arc.queries[:200]), policy=f"performance_efficiency:alpha={alpha}"
    )
    theirs = [arc.models[column] for column in sums.argmax(axis=1)]
    assert [decision.model for decision in decisions] == theirs


def test_alpha_trades_quality_for_cost(arc):
    router = Router.fit(arc, estimator="avengers_pro")
    queries, costs, scores = list(arc.queries[:300]), [], []
    for alpha in (0.0, 0.5, 1.0):
        policy = f"performance_efficiency:alpha={alpha}"
        chosen = [decision.model for decision in router.route_many(queries, policy=policy)]
        columns = [arc.models.index(model) for model in chosen]
        costs.append(arc.costs[np.arange(300), columns].mean())
        scores.append(arc.scores[np.arange(300), columns].mean())
    assert sorted(costs) == costs
    assert sorted(scores) == scores
    assert costs[2] > 10 * costs[0]


def test_a_model_that_joins_leaves_the_others_as_they_are(arc):
    """UniRoute, section 5: an unseen model is its errors on a few labelled queries."""
    old, new = arc.models[:-1], arc.models[-1]
    labelled = np.random.default_rng(0).permutation(len(arc))[:60]
    fields = arc.as_dict()
    known = RecordSet(
        **fields
        | {
            "models": old,
            "scores": arc.scores[:, :-1],
            "costs": arc.costs[:, :-1],
        }
    )
    router = Router.fit(known, estimator=UniRoute(k=20))
    scores = arc.scores.copy()
    scores[np.setdiff1d(np.arange(len(arc)), labelled), -1] = np.nan
    grown = Router.fit(RecordSet(**fields | {"scores": scores}), estimator=UniRoute(k=20))
    updated = router.estimator.updated(grown.evidence)
    rows = router.evidence.vectors
    near = router.evidence.index.search(rows, 32)
    before, after = router.estimator.estimate(rows, near), updated.estimate(rows, near)
    np.testing.assert_array_equal(after.scores[:, :-1], before.scores)
    # Sixty labels say how good it is on the whole, within two standard errors of a share.
    true = float(arc.scores[:, -1].mean())
    assert after.models[-1] == new
    assert abs(after.scores[:, -1].mean() - true) < 2 * np.sqrt(true * (1 - true) / 60)


def test_a_contaminated_training_set_takes_the_clusters_in():
    """arXiv 2405.00467: metamath was the best in every cluster of GSM8K's training questions."""
    pytest.importorskip("sklearn", reason="TF-IDF needs it")
    known, tested = (
        read_records(DATA / "routerdc" / f"gsm8k-{part}.json") for part in ("train", "test")
    )
    router = Router.fit(known, estimator=Clusters(k=8, features="tfidf", shrinkage=64))
    chosen = [each.model for each in router.route_many(list(tested.queries[:400]))]
    assert {name for name in chosen if "metamath" in name.lower()} == set(chosen)
    place = known.models.index(chosen[0])
    assert known.scores[:, place].mean() - tested.scores[:, place].mean() > 0.1
