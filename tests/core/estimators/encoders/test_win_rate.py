import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter import RecordSet, Router
from knnrouter.errors import EstimatorError
from knnrouter.estimators import EncoderWinRate
from knnrouter.estimators.encoders.pairs import Pair
from knnrouter.policies import Threshold

torch = pytest.importorskip("torch")
NAN = float("nan")
LARGE, OTHER, SMALL = range(3)
ASKED = ["tiger", "a b violin", "c tiger f", "e d"]


@pytest.fixture(scope="module")
def judged():
    """Of texts with a tiger only the large model can tell; with a violin both can."""
    rows = [f"{'abcdef'[row % 6]} {('tiger', 'violin')[row % 2]} {row}" for row in range(60)]
    tiger = np.arange(60) % 2 == 0
    scores = np.stack([np.ones(60), np.full(60, 0.5), ~tiger], axis=1)
    scores[::10, SMALL] = NAN
    return RecordSet(
        ids=[str(row) for row in range(60)],
        models=("large", "other", "small"),
        queries=rows,
        scores=scores,
    )


@pytest.fixture(scope="module")
def estimator(tuned):
    return EncoderWinRate(strong="large", weak="small", **tuned)


@pytest.fixture(scope="module")
def router(estimator, judged):
    return Router.fit(judged, estimator=estimator)


def test_it_learns_where_the_strong_one_wins(router):
    found = router.estimate(ASKED[:3])
    assert (found.scores[[0, 2], LARGE] > 0.8).all()
    assert found.scores[1, LARGE] < 0.2  # both are right: the weak one's answer will do
    np.testing.assert_allclose(found.scores[:, SMALL], 1 - found.scores[:, LARGE])
    assert np.isnan(found.scores[:, OTHER]).all()
    assert np.isnan(found.strengths[:, OTHER]).all()


def test_the_threshold_reads_its_win_rate(router):
    rate = router.estimate(["c tiger f"]).scores[0, LARGE]
    for threshold, model in ((rate - 1e-6, "large"), (rate + 1e-6, "small")):
        policy = Threshold(strong="large", weak="small", threshold=float(threshold))
        assert router.route("c tiger f", policy=policy).model == model


def test_probability_as_the_paper_has_it(router):
    """P(strong) = 1 - (P(tie) + P(weak)), from the softmax of the three outputs."""
    fitted = router.estimator
    (network,) = fitted.answering
    found = router.estimate(ASKED)
    for row, text in enumerate(ASKED):
        with torch.no_grad():
            _, tie, weak = torch.softmax(network.logits(fitted.read([text]))[0].double(), dim=0)
        assert found.scores[row, LARGE] == pytest.approx(1 - float(tie + weak), abs=1e-6)
        odds = found.strengths[row, LARGE] - found.strengths[row, SMALL]
        assert found.scores[row, LARGE] == pytest.approx(1 / (1 + math.exp(-odds)))


def test_other_way_round(judged, tuned):
    """The weak one first in the records, and rows in which it wins."""
    swapped = RecordSet(
        ids=judged.ids,
        queries=judged.queries,
        models=("small", "large"),
        scores=np.stack([np.ones(60), np.arange(60) % 2], axis=1),
    )
    longer = tuned | {"epochs": 12, "holdout": 0.0}
    estimator = EncoderWinRate(strong="large", weak="small", **longer)
    fitted = Router.fit(swapped, estimator=estimator).estimator
    (network,) = fitted.answering
    with torch.no_grad():
        labels = network.logits(fitted.read(["tiger", "violin"])).argmax(dim=1)
    assert labels.tolist() == [2, 1]  # the weak one wins; a tie


def test_it_starts_from_the_shares_of_the_labels(judged, tuned):
    still = tuned | {"epochs": 1, "learning_rate": 1e-12, "head_learning_rate": 1e-12}
    router = Router.fit(judged, estimator=EncoderWinRate(strong="large", weak="small", **still))
    # Rows 0, 10, 20, ... lack the small model, and all have a tiger: 24 wins and 30 ties are left.
    assert router.estimate(["b"]).scores[0, LARGE] == pytest.approx(25 / 57, abs=1e-6)


def test_saved_and_loaded(router, tmp_path):
    router.save(tmp_path / "saved", keep_queries=False)
    again, here = Router.load(tmp_path / "saved").estimate(ASKED), router.estimate(ASKED)
    np.testing.assert_array_equal(again.strengths, here.strengths)
    np.testing.assert_array_equal(again.scores, here.scores)


@given(st.floats(-50, 50))
def test_scores_and_strengths_agree(odds):
    scores, strengths = Pair(strong=1, weak=2, models=3).win_rates(np.array([odds]))
    assert scores[0, 1] == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-12)
    assert scores[0, 1] + scores[0, 2] == pytest.approx(1)
    assert strengths[0, 1] - strengths[0, 2] == odds
    assert np.isnan([scores[0, 0], strengths[0, 0]]).all()


class TestRefused:
    def test_names(self):
        with pytest.raises(EstimatorError, match=r"strong is ''; .*; epochs is 0"):
            EncoderWinRate(strong="", weak="b", backbone="x", epochs=0)
        with pytest.raises(EstimatorError, match="strong and weak are both 'b'"):
            EncoderWinRate(strong="b", weak="b", backbone="x")

    def test_models_that_the_records_lack(self, judged, tuned):
        estimator = EncoderWinRate(strong="big", weak="tiny", **tuned)
        message = "strong is 'big' and weak is 'tiny', which .* large, other, small"
        with pytest.raises(EstimatorError, match=message):
            Router.fit(judged, estimator=estimator)

    def test_no_row_measured_both(self, judged, estimator):
        apart = judged.scores.copy()
        apart[::2, LARGE] = NAN
        apart[1::2, SMALL] = NAN
        records = RecordSet(**judged.as_dict() | {"scores": apart})
        with pytest.raises(EstimatorError, match=r"no row .* measured both 'large' and 'small'"):
            Router.fit(records, estimator=estimator)

    def test_records_of_other_models(self, router, estimator):
        evidence = router.evidence
        renamed = RecordSet(**evidence.records.as_dict() | {"models": ("a", "b", "c")})
        with pytest.raises(EstimatorError, match="strong is 'large'"):
            estimator.restore(
                type(evidence)(records=renamed, vectors=evidence.vectors, index=evidence.index),
                router.estimator.arrays,
            )
