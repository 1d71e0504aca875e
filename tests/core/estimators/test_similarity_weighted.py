import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import ModelPool, ModelSpec, Router, estimators
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EstimatorError
from knnrouter.estimators import SimilarityWeighted, similarity_weighted
from knnrouter.estimators.win_rates.battles import Battles
from knnrouter.estimators.win_rates.bradley_terry import win_rate
from knnrouter.evaluation import (
    Share,
    apgr,
    calibrate,
    strong_fraction_curve,
    win_rate_threshold,
)
from knnrouter.policies import Threshold
from knnrouter.records import RecordSet

NAN = float("nan")


def records_of(scores, **fields):
    scores = np.asarray(scores, np.float32)
    return RecordSet(
        ids=tuple(map(str, range(len(scores)))),
        models=tuple("abcdefgh"[: scores.shape[1]]),
        scores=scores,
        **fields,
    )


def asked(fitted, evidence, queries):
    return fitted.estimate(queries, evidence.index.search(queries, fitted.neighbors))


def full_fit(records, vectors, query, *, paper, gamma):
    """Weighted logistic regression over every battle, twice, a tie won once by each."""
    linear = pytest.importorskip("sklearn.linear_model", reason="the twin is scikit-learn's")
    near = vectors.astype(float) @ query.astype(float)
    if paper:
        among = vectors.astype(float) @ vectors.T.astype(float)
        np.fill_diagonal(among, -np.inf)
        top = among.max(axis=1)
        weights = gamma ** (1 + near / np.where(top > 0, top, 1.0))
    else:
        weights = gamma * gamma ** (near / near.max())
    battles = Battles.of(records)
    rows, won, counts = [], [], []
    for place, row in enumerate(battles.rows.tolist()):
        design = np.zeros(len(records.models))
        design[battles.first[place]], design[battles.second[place]] = np.log(10), -np.log(10)
        for half in (0.0, 1.0):
            rows.append(design)
            won.append(battles.outcomes[place] > half / 2)
            counts.append(weights[row] * records.weights[row])
    model = linear.LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-10, max_iter=100_000)
    return model.fit(np.array(rows), won, sample_weight=np.array(counts)).coef_[0] * np.log(10)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([2.0, 10.0]))
def test_it_is_the_full_weighted_fit_within_half_a_point(twin, seed, paper, gamma):
    rng = np.random.default_rng(seed)
    rows, models = int(rng.integers(5, 40)), int(rng.integers(2, 5))
    scores = rng.choice([0.0, 0.5, 1.0, NAN], (rows, models), p=[0.35, 0.2, 0.35, 0.1])
    scores[0], scores[1] = np.arange(models) % 2, 1 - np.arange(models) % 2
    scores[2] = 0.5  # everybody has met everybody
    records = records_of(scores, weights=rng.choice([1.0, 3.0], rows))
    vectors = twin.unit(rng.normal(size=(rows, 6)) + 1)
    queries = twin.unit(rng.normal(size=(2, 6)) + 1)
    evidence = twin.evidence(records, vectors)
    estimator = SimilarityWeighted(weights="paper" if paper else "code", gamma=gamma)
    found = asked(estimator.fit(evidence), evidence, queries)
    for place, query in enumerate(queries):
        expected = full_fit(records, vectors, query, paper=paper, gamma=gamma)
        rates = win_rate(expected[:, None], expected[None, :])
        own = found.strengths[place]
        np.testing.assert_allclose(win_rate(own[:, None], own[None, :]), rates, atol=0.005)
        means = (rates.sum(axis=1) - 0.5) / (models - 1)
        np.testing.assert_allclose(found.scores[place], means, atol=0.005)


def two_topics(twin, *, flip=False):
    """The first model is good at one direction, the second at the other."""
    rng = np.random.default_rng(5)
    side = np.arange(80) % 2
    vectors = twin.unit(np.stack([1 - side, side], axis=1) + 0.15 * rng.random((80, 2)))
    better = (rng.random(80) < 0.85) == (side == int(flip))
    return records_of(np.stack([better, ~better], axis=1).astype(float)), vectors


@pytest.mark.parametrize("weights", ["paper", "code"])
def test_the_stronger_on_like_queries_wins(twin, weights):
    records, vectors = two_topics(twin)
    evidence = twin.evidence(records, vectors)
    fitted = SimilarityWeighted(weights=weights).fit(evidence)
    found = asked(fitted, evidence, twin.unit([[1, 0.05], [0.05, 1]]))
    assert found.scores[0, 0] > 0.6 > 0.4 > found.scores[0, 1]
    assert found.scores[1, 1] > 0.6 > 0.4 > found.scores[1, 0]
    np.testing.assert_allclose(found.scores.sum(axis=1), 1.0)
    assert np.isnan(found.stderr).all()


def test_of_two_models_the_scores_are_what_the_threshold_looks_at(twin):
    records, vectors = two_topics(twin)
    evidence = twin.evidence(records, vectors)
    found = asked(SimilarityWeighted().fit(evidence), evidence, vectors)
    rates = win_rate(found.strengths[:, 0], found.strengths[:, 1])
    np.testing.assert_allclose(found.scores[:, 0], rates)


def test_a_larger_base_listens_more_to_the_near(twin):
    records, vectors = two_topics(twin)
    evidence, query = twin.evidence(records, vectors), twin.unit([[1, 0]])
    found = [
        asked(SimilarityWeighted(gamma=gamma).fit(evidence), evidence, query).scores[0, 0]
        for gamma in (1.0, 10.0, 1000.0)
    ]
    overall = records.scores[:, 0].mean()
    assert found[0] == pytest.approx(overall, abs=0.005)  # every battle counts alike
    assert found[0] < found[1] < found[2]


def test_scores_within_the_margin_tie(twin):
    records = records_of([[0.7, 0.6], [0.5, 0.4], [0.9, 0.2]])
    evidence = twin.evidence(records, twin.unit(np.ones((3, 2))))
    rates = {
        margin: asked(
            SimilarityWeighted(tie_margin=margin).fit(evidence), evidence, evidence.vectors[:1]
        ).scores[0, 0]
        for margin in (0.0, 0.1, 0.7)
    }
    assert rates[0.0] > 0.9999
    assert rates[0.1] == pytest.approx(2 / 3, abs=1e-3)  # two ties and a win
    assert rates[0.7] == pytest.approx(0.5)
    again = SimilarityWeighted(tie_margin=0.1)
    restored = again.restore(evidence, again.fit(evidence).arrays)
    assert asked(restored, evidence, evidence.vectors[:1]).scores[0, 0] == rates[0.1]


def test_models_of_a_tier_share_their_battles(twin):
    # a and b are alike, and so are c and d; b never met c, and d met nobody but a.
    scores = [[1, 1, 0, NAN]] * 8 + [[0, 0, 1, NAN]] * 2 + [[1, NAN, NAN, 0]] * 8
    scores += [[0, NAN, NAN, 1]] * 2
    records = records_of(scores)
    vectors = twin.unit(np.ones((len(scores), 3)))
    evidence = twin.evidence(records, vectors)
    fitted = SimilarityWeighted(tiers=2).fit(evidence)
    assert fitted.arrays["player_of"].tolist() == [0, 0, 1, 1]
    found = asked(fitted, evidence, vectors[:1])
    expected = np.array([2, 2, -2, -2]) * np.log(4) / 4  # each of the one tier wins 0.8
    np.testing.assert_allclose(found.strengths[0], expected, atol=1e-3)
    np.testing.assert_allclose(found.scores[0], [0.7, 0.7, 0.3, 0.3], atol=1e-3)


def test_who_never_fought_has_neither_score_nor_strength(twin):
    records = records_of([[1, 0, NAN], [0, 1, NAN], [NAN, NAN, 1]])
    vectors = np.eye(3, dtype=np.float32)
    evidence = twin.evidence(records, vectors)
    found = asked(SimilarityWeighted().fit(evidence), evidence, vectors)
    assert np.isnan(found.scores[:, 2]).all()
    assert np.isnan(found.strengths[:, 2]).all()
    assert not np.isnan(found.scores[:, :2]).any()


@pytest.mark.parametrize("weights", ["paper", "code"])
def test_few_at_a_time_and_all_at_once(twin, monkeypatch, weights):
    rng = np.random.default_rng(2)
    records = records_of(rng.choice([0.0, 1.0, NAN], (60, 4)))
    vectors = twin.unit(rng.normal(size=(60, 8)))
    queries = twin.unit(rng.normal(size=(9, 8)))
    evidence = twin.evidence(records, vectors)
    fitted = SimilarityWeighted(weights=weights).fit(evidence)
    at_once = asked(fitted, evidence, queries)
    monkeypatch.setattr(similarity_weighted, "_AT_ONCE", 120)  # two queries
    np.testing.assert_allclose(asked(fitted, evidence, queries).scores, at_once.scores, atol=1e-6)


def test_a_query_without_a_known_word_is_told_by_all_battles_alike(twin):
    records, vectors = two_topics(twin)
    evidence, nothing = twin.evidence(records, vectors), np.zeros((1, 2), np.float32)
    for weights in ("paper", "code"):
        fitted = SimilarityWeighted(weights=weights).fit(evidence)
        found = asked(fitted, evidence, nothing)
        assert found.scores[0, 0] == pytest.approx(records.scores[:, 0].mean(), abs=0.005)


def test_more_evidence_of_the_same_kind(twin):
    records, vectors = two_topics(twin)
    half = SimilarityWeighted().fit(twin.evidence(records.select(range(40)), vectors[:40]))
    evidence = twin.evidence(records, vectors)
    grown = asked(half.updated(evidence), evidence, vectors[:3])
    anew = asked(SimilarityWeighted().fit(evidence), evidence, vectors[:3])
    np.testing.assert_array_equal(grown.strengths, anew.strengths)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weights": "cosine"}, 'weights is \'cosine\'; give "paper" or "code"'),
        ({"gamma": 0}, "gamma is 0; give a number in [1, 1e12], such as 10"),
        ({"gamma": True}, "gamma is True; give a number"),
        ({"tiers": -1}, "tiers is -1; give a whole number of tiers"),
        ({"tiers": 1}, "tiers is 1, and one tier has nobody to fight; give 2 or more, or 0"),
        ({"tie_margin": 1.5}, "tie_margin is 1.5; give a number in [0, 1], such as 0"),
    ],
)
def test_settings_out_of_range_are_refused(given, said):
    with pytest.raises(EstimatorError) as refused:
        SimilarityWeighted(**given)
    assert said in str(refused.value)
    with pytest.raises(EstimatorError) as refused:
        SimilarityWeighted(**{"gamma": NAN, "tie_margin": -1} | given)
    assert "; " in str(refused.value)  # all at once


def test_evidence_without_battles_is_refused(twin):
    alone = twin.evidence(records_of([[1, NAN], [NAN, 0]]), np.eye(2, dtype=np.float32))
    with pytest.raises(EstimatorError, match="no two of the 2 models were measured on one row of"):
        SimilarityWeighted().fit(alone)
    apart = [[1, 0, NAN, NAN], [0, 1, NAN, NAN], [NAN, NAN, 1, 0], [NAN, NAN, 0, 1]]
    within = twin.evidence(records_of([*apart, *apart]), np.eye(8, dtype=np.float32))
    estimator = SimilarityWeighted(tiers=2)
    even = {"player_of": np.array([0, 0, 1, 1])}
    with pytest.raises(EstimatorError, match="tiers is 2, and no two models of different tiers"):
        estimator.restore(within, even | {"nearest": np.ones(8)})


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"nearest": np.ones(80)}, r"an array `player_of` of shape \(2,\), and found none"),
        ({"player_of": np.arange(2)}, r"an array `nearest` of shape \(80,\), and found none"),
        ({"player_of": np.arange(3)}, r"of shape \(2,\), and found shape \(3,\)"),
        ({"player_of": np.array([0, 7])}, "and holds 0 to 7; fit the router anew"),
        ({"player_of": np.arange(2), "nearest": np.full(80, NAN)}, "`nearest` holds NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(twin, arrays, said):
    evidence = twin.evidence(*two_topics(twin))
    with pytest.raises(EstimatorError, match=said):
        SimilarityWeighted().restore(evidence, arrays)


EMBEDDER = FunctionEmbedder(
    lambda texts: [[text.count("a") + 0.1, text.count("b") + 0.1] for text in texts],
    dim=2,
    id="letters",
)


def strong_and_weak():
    """Of a text the strong model gets the b's right, both get the a's."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(120):
        share = rng.random()
        text = "".join(rng.choice(["a", "b"], 12, p=[1 - share, share])) + str(number)
        hard = rng.random() < share
        rows.append({"query": text, "strong": float(rng.random() < 0.95), "weak": float(not hard)})
    return RecordSet.from_rows(rows)


@pytest.mark.parametrize("spec", ["similarity_weighted", "similarity_weighted:weights=code"])
def test_calibrated_to_a_share_it_keeps_to_it(spec):
    records = strong_and_weak()
    router = Router.fit(records, embedder=EMBEDDER, estimator=estimators.parse(spec))
    found = calibrate(router, records, Share(model="strong", at_most=0.3), holdout=0)
    assert isinstance(found.policy, Threshold)
    chosen = router.route_many(records.queries, policy=found.policy)
    strong = [each.model == "strong" for each in chosen]
    assert 0.2 < np.mean(strong) <= 0.3
    calls = np.array([text.count("b") for text in records.queries])
    assert calls[strong].mean() > calls[np.invert(strong)].mean() + 2


def test_of_more_models_the_threshold_is_on_the_win_rate_of_the_two():
    """With others in the records, mean win rates are not the win rate of the pair."""
    records = strong_and_weak()
    rng = np.random.default_rng(0)
    third = RecordSet(
        **records.as_dict()
        | {
            "models": ("strong", "weak", "third"),
            "scores": np.column_stack([records.scores, rng.random(120) < 0.3]),
            "costs": None,
        }
    )
    pool = ModelPool(models=[ModelSpec(name="strong"), ModelSpec(name="weak")])
    router = Router.fit(third, pool=pool, embedder=EMBEDDER, estimator=SimilarityWeighted())
    found = calibrate(router, third, Share(model="strong", at_most=0.25), holdout=0)
    chosen = [each.model for each in router.route_many(third.queries, policy=found.policy)]
    assert 0.2 < chosen.count("strong") / len(chosen) <= 0.25
    strengths = router.estimate(third.queries).strengths
    rates = win_rate(strengths[:, 0], strengths[:, 1])
    assert found.policy.threshold == pytest.approx(win_rate_threshold(rates, 0.25))


def test_better_than_a_coin_between_the_rows_that_bound_it():
    records = strong_and_weak()
    train, test = records.select(range(80)), records.select(range(80, 120))
    router = Router.fit(train, embedder=EMBEDDER, estimator=SimilarityWeighted())
    weak, strong = test.scores[:, 1].astype(float), test.scores[:, 0].astype(float)
    curve = strong_fraction_curve(router.estimate(test.queries).scores[:, 0], weak, strong)
    assert apgr(curve) > 0.6
    coins = np.random.default_rng(0).random((200, 40))
    drawn = [apgr(strong_fraction_curve(coin, weak, strong)) for coin in coins]
    assert np.mean(drawn) == pytest.approx(0.5, abs=3 * np.std(drawn) / np.sqrt(200))
    for threshold, expected in ((0.0, strong.mean()), (1.0, weak.mean())):
        policy = Threshold(strong="strong", weak="weak", threshold=threshold)
        chosen = router.route_many(test.queries, policy=policy)
        got = [strong[i] if one.model == "strong" else weak[i] for i, one in enumerate(chosen)]
        assert np.mean(got) == expected  # PGR 1, and 0


def test_another_pair_takes_the_places_of_the_two_without_training():
    """Transfer (2406.18665): an alias names the column that a new model stands for."""
    records = strong_and_weak()
    router = Router.fit(records, embedder=EMBEDDER, estimator=SimilarityWeighted())
    swapped = router.with_pool(
        ModelPool(
            models=[
                ModelSpec(name="new-large", aliases=["strong"]),
                ModelSpec(name="new-small", aliases=["weak"]),
            ]
        )
    )
    policy = Threshold(strong="new-large", weak="new-small", threshold=0.6)
    before = Threshold(strong="strong", weak="weak", threshold=0.6)
    stands_for = {"strong": "new-large", "weak": "new-small"}
    for text in records.queries[:20]:
        was = router.route(text, policy=before).model
        assert swapped.route(text, policy=policy).model == stands_for[was]
    assert swapped.estimator is router.estimator


def test_a_model_that_joins_later_fights_at_once():
    records = strong_and_weak()
    router = Router.fit(records, embedder=EMBEDDER, estimator=SimilarityWeighted())
    perfect = RecordSet.from_rows(
        [
            {"id": name, "query": text, "perfect": 1}
            for name, text in zip(records.ids, records.queries, strict=True)
        ]
    )
    router.add_model("perfect", perfect)
    found = router.estimate(["abbb 7"])
    assert found.models == ("strong", "weak", "perfect")
    assert found.scores[0].argmax() == 2
    router.remove_records(records.ids[:100])
    assert len(router.records) == 20
    assert not np.isnan(router.estimate(["abbb 7"]).scores).any()
