"""RouteLLM's routers on RouteLLM's MMLU, with 1,500 gold labels of the same distribution."""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import Router, read_records
from knnrouter.estimators import MatrixFactorization, SimilarityWeighted
from knnrouter.evaluation import Share, apgr, calibrate, strong_fraction_curve
from knnrouter.policies import Threshold

BESIDE = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "routellm" / "mmlu").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"


@pytest.fixture(scope="module")
def mmlu():
    """1,500 questions to learn from, and 3,000 others."""
    records = read_records(DATA / "routellm" / "mmlu")
    order = np.random.default_rng(0).permutation(len(records))
    return records.select(order[:1500]), records.select(order[1500:4500])


def recovered(router, test):
    strong, weak = (
        test.scores[:, test.models.index(name)].astype(float) for name in (STRONG, WEAK)
    )
    found = router.estimate(test.queries)
    rates = found.scores[:, found.models.index(STRONG)]
    return apgr(strong_fraction_curve(rates, weak, strong)), strong, weak


@pytest.mark.parametrize("weights", ["paper", "code"])
def test_similarity_weighted_is_about_as_good_as_in_the_paper(mmlu, weights):
    """The paper has 0.603, trained on the arena and 1,500 labels of the validation set."""
    train, test = mmlu
    router = Router.fit(train, estimator=SimilarityWeighted(weights=weights))
    found, strong, weak = recovered(router, test)
    assert 0.57 < found < 0.67
    coins = np.random.default_rng(1).random((20, len(test)))
    drawn = [apgr(strong_fraction_curve(coin, weak, strong)) for coin in coins]
    assert np.mean(drawn) == pytest.approx(0.5, abs=3 * np.std(drawn) / np.sqrt(20))


def test_matrix_factorization_is_about_as_good_as_in_the_paper(mmlu):
    """The paper has 0.597."""
    pytest.importorskip("torch", reason="the extra `train`")
    train, test = mmlu
    router = Router.fit(train, estimator=MatrixFactorization(dim=32, epochs=15, learning_rate=3e-3))
    found, *_ = recovered(router, test)
    assert 0.56 < found < 0.67


def test_calibrated_to_three_in_ten(mmlu):
    train, test = mmlu
    router = Router.fit(train, estimator=SimilarityWeighted())
    asked = test.select(range(1000))
    found = calibrate(router, asked, Share(model=STRONG, at_most=0.3), holdout=0.5)
    assert isinstance(found.policy, Threshold)
    rest = test.select(range(1000, 2000))
    chosen = router.route_many(rest.queries, policy=found.policy)
    assert np.mean([each.model == STRONG for each in chosen]) == pytest.approx(0.3, abs=0.06)
