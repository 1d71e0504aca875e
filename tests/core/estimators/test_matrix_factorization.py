import sys

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EstimatorError, MissingExtraError
from knnrouter.estimators import MatrixFactorization
from knnrouter.estimators.win_rates.bradley_terry import win_rate
from knnrouter.evaluation import Share, apgr, calibrate, strong_fraction_curve
from knnrouter.policies import Threshold
from knnrouter.records import RecordSet

pytest.importorskip("torch", reason="the extra `train`")

NAN = float("nan")
QUICK = {"dim": 8, "epochs": 30, "learning_rate": 0.03, "noise": 0.05}
EXACT = {"dim": 4, "epochs": 150, "learning_rate": 0.02, "noise": 0.0, "batch": 100}

EMBEDDER = FunctionEmbedder(
    lambda texts: [[text.count("a") + 0.1, text.count("b") + 0.1] for text in texts],
    dim=2,
    id="letters",
)


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


def planted(twin, rng, *, rows, strengths):
    """Rows in two directions, on which the models have these strengths."""
    side = rng.integers(0, 2, rows)
    vectors = twin.unit(np.eye(2)[side] + 0.05 * rng.random((rows, 2)))
    scores = np.full((rows, len(strengths[0])), NAN)
    for row in range(rows):
        one, other = rng.choice(len(strengths[0]), 2, replace=False)
        own = np.array(strengths[side[row]], float)
        won = rng.random() < win_rate(own[one], own[other])
        scores[row, [one, other]] = [won, not won]
    return records_of(scores), vectors


def test_it_finds_the_strengths_that_made_the_battles(twin):
    strengths = [[1.5, 0.0, -1.5], [-1.0, 0.0, 1.0]]
    records, vectors = planted(twin, np.random.default_rng(0), rows=3000, strengths=strengths)
    evidence = twin.evidence(records, vectors)
    found = asked(MatrixFactorization(**QUICK).fit(evidence), evidence, np.eye(2, dtype=np.float32))
    # The rows lie a little off the two directions, and the noise holds the strengths back.
    np.testing.assert_allclose(found.strengths, strengths, atol=0.35)
    first = np.array(strengths[0])
    rates = win_rate(first[:, None], first[None, :])
    np.testing.assert_allclose(found.scores[0], (rates.sum(axis=1) - 0.5) / 2, atol=0.05)
    np.testing.assert_allclose(found.strengths.sum(axis=1), 0.0, atol=1e-9)


def test_ties_are_removed_or_count_half(twin):
    rng = np.random.default_rng(1)
    outcomes = [[1, 0]] * 30 + [[0, 1]] * 10 + [[1, 1]] * 40
    vectors = twin.unit(np.ones((80, 3)) + 0.01 * rng.random((80, 3)))
    evidence = twin.evidence(records_of(outcomes, groups=["all"] * 80), vectors)
    rates = {
        ties: asked(
            MatrixFactorization(**EXACT | {"ties": ties}).fit(evidence), evidence, vectors[:1]
        ).scores[0, 0]
        for ties in ("removed", "half")
    }
    assert rates["removed"] == pytest.approx(0.75, abs=0.01)
    assert rates["half"] == pytest.approx(0.625, abs=0.01)  # (30 + 20) / 80


def test_who_never_won_or_lost_is_not_known(twin):
    scores = [[1, 0, NAN]] * 6 + [[0, 1, NAN]] * 2 + [[1, NAN, 1]] * 5
    vectors = twin.unit(np.random.default_rng(2).normal(size=(13, 4)))
    evidence = twin.evidence(records_of(scores), vectors)
    quick = MatrixFactorization(**QUICK)
    found = asked(quick.fit(evidence), evidence, vectors[:2])
    assert np.isnan(found.scores[:, 2]).all()  # it only tied
    assert np.isnan(found.strengths[:, 2]).all()
    assert not np.isnan(found.scores[:, :2]).any()
    half = MatrixFactorization(**QUICK | {"ties": "half"})
    assert not np.isnan(asked(half.fit(evidence), evidence, vectors[:2]).scores).any()


def test_scores_within_the_margin_tie(twin):
    records = records_of([[0.7, 0.6], [0.6, 0.7], [0.9, 0.2]])
    evidence = twin.evidence(records, twin.unit(np.ones((3, 2))))
    alone = twin.evidence(records.select([2]), evidence.vectors[:1])
    near = MatrixFactorization(**QUICK, tie_margin=0.1).fit(evidence)
    one = MatrixFactorization(**QUICK).fit(alone)
    np.testing.assert_array_equal(near.directions, one.directions)  # ties are removed
    assert not np.array_equal(
        near.directions, MatrixFactorization(**QUICK).fit(evidence).directions
    )


def test_a_heavy_row_counts_as_often_as_it_weighs(twin):
    vectors = twin.unit(np.ones((40, 2)) + 0.01 * np.random.default_rng(3).random((40, 2)))
    outcomes = [[1, 0]] * 20 + [[0, 1]] * 20
    weights = np.where(np.arange(40) < 20, 3.0, 1.0)
    records = records_of(outcomes, weights=weights, groups=["all"] * 40)
    evidence = twin.evidence(records, vectors)
    found = asked(MatrixFactorization(**EXACT).fit(evidence), evidence, vectors[:1])
    assert found.scores[0, 0] == pytest.approx(0.75, abs=0.01)


def test_a_query_without_a_known_word_sees_all_alike(twin):
    records, vectors = planted(
        twin, np.random.default_rng(4), rows=50, strengths=[[1.0, 0.0], [0.0, 1.0]]
    )
    evidence = twin.evidence(records, vectors)
    found = asked(
        MatrixFactorization(**QUICK).fit(evidence), evidence, np.zeros((1, 2), np.float32)
    )
    assert found.scores.tolist() == [[0.5, 0.5]]


def test_what_is_held_out_depends_on_texts_and_groups(twin):
    """Twins of a text, and rows of a group, are on one side: else the epoch would be chosen by
    what it was trained on."""
    from knnrouter.estimators.matrix_factorization import _held_out
    from knnrouter.estimators.win_rates.battles import Battles

    scores = np.random.default_rng(0).choice([0.0, 1.0], (200, 3))
    texts = [f"text {row // 2}" for row in range(200)]
    records = records_of(scores, queries=texts)
    battles = Battles.of(records)
    held = _held_out(records, battles, seed=1)
    rows = set(battles.rows[held].tolist())
    assert rows and {row ^ 1 for row in rows} == rows
    assert len(rows) == 10  # 5 % of a hundred texts, twice
    assert rows.isdisjoint(battles.rows[~held].tolist())
    grouped = records_of(scores, queries=texts, groups=[f"g{row % 20}" for row in range(200)])
    rows = set(battles.rows[_held_out(grouped, battles, seed=1)].tolist())
    assert len({row % 20 for row in rows}) == 1
    assert len(rows) == 10
    few = records_of(scores[:19])
    assert not _held_out(few, Battles.of(few), seed=1).any()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dim": 0}, "dim is 0; give a whole number of at least 1, such as 128"),
        ({"epochs": 1.5}, "epochs is 1.5; give a whole number of at least 1, such as 100"),
        ({"batch": True}, "batch is True; give a whole number of at least 1, such as 64"),
        ({"noise": -0.1}, "noise is -0.1; give a number >= 0, such as 0.1"),
        ({"learning_rate": 0}, "learning_rate is 0; give a number above 0, such as 3e-4"),
        ({"weight_decay": NAN}, "weight_decay is nan; give a number >= 0, such as 1e-5"),
        ({"ties": "keep"}, 'ties is \'keep\'; give "removed" or "half"'),
        ({"tie_margin": 2}, "tie_margin is 2; give a number in [0, 1], such as 0"),
    ],
)
def test_settings_out_of_range_are_refused(given, said):
    with pytest.raises(EstimatorError) as refused:
        MatrixFactorization(**given)
    assert str(refused.value) == said
    with pytest.raises(EstimatorError) as refused:
        MatrixFactorization(**{"dim": 0, "noise": -1} | given)
    assert said in str(refused.value)
    assert "; " in str(refused.value)


def test_evidence_without_battles_is_refused(twin):
    vectors = np.eye(2, dtype=np.float32)
    alone = twin.evidence(records_of([[1, NAN], [NAN, 0]]), vectors)
    with pytest.raises(EstimatorError, match="no two of the 2 models were measured on one row"):
        MatrixFactorization().fit(alone)
    tied = twin.evidence(records_of([[1, 1], [0, 0]]), vectors)
    with pytest.raises(EstimatorError, match="all 2 battles are ties, and ties are removed: give"):
        MatrixFactorization().fit(tied)


def test_without_torch_it_says_what_to_install(twin, monkeypatch):
    evidence = twin.evidence(records_of([[1, 0], [0, 1]]), np.eye(2, dtype=np.float32))
    fitted = MatrixFactorization(**QUICK).fit(evidence)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'knnrouter\[train\]'"):
        MatrixFactorization(**QUICK).fit(evidence)
    again = MatrixFactorization(**QUICK).restore(evidence, fitted.arrays)  # without torch
    np.testing.assert_array_equal(
        asked(again, evidence, evidence.vectors).scores,
        asked(fitted, evidence, evidence.vectors).scores,
    )


def test_arrays_are_plain_single_precision(twin):
    evidence = twin.evidence(records_of([[1, 0], [0, 1]]), np.eye(2, dtype=np.float32))
    arrays = MatrixFactorization(**QUICK).fit(evidence).arrays
    assert {name: (each.dtype, each.shape) for name, each in arrays.items()} == {
        "directions": (np.float32, (2, 2)),
        "known": (np.uint8, (2,)),
    }


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"known": np.ones(2)}, r"an array `directions` of shape \(2, 2\), and found none"),
        ({"directions": np.ones((2, 3))}, r"and found shape \(2, 3\)"),
        ({"directions": np.full((2, 2), NAN)}, "`directions` holds NaN or infinity"),
        ({"directions": np.ones((2, 2))}, r"an array `known` of shape \(2,\), and found none"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(twin, arrays, said):
    evidence = twin.evidence(records_of([[1, 0], [0, 1]]), np.eye(2, dtype=np.float32))
    with pytest.raises(EstimatorError, match=said):
        MatrixFactorization().restore(evidence, arrays)


def test_more_evidence_changes_what_queries_cost_and_nothing_else(twin):
    def of(cost):
        return twin.evidence(
            records_of([[1, 0], [0, 1]], costs=np.full((2, 2), cost)), np.eye(2, dtype=np.float32)
        )

    fitted = MatrixFactorization(**QUICK).fit(of(1.0))
    grown = fitted.updated(of(2.0))
    before, after = (asked(each, of(1.0), np.eye(2, dtype=np.float32)) for each in (fitted, grown))
    np.testing.assert_array_equal(before.strengths, after.strengths)
    assert after.costs[0, 0] == 2 * before.costs[0, 0] == 2.0
    three = twin.evidence(records_of([[1, 0, 1]]), np.eye(2, dtype=np.float32)[:1])
    with pytest.raises(EstimatorError, match="learned of a, b, and the records are now of a, b, c"):
        fitted.updated(three)


def strong_and_weak():
    """Of a text the strong model gets the b's right, both get the a's."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(160):
        share = rng.random()
        text = "".join(rng.choice(["a", "b"], 12, p=[1 - share, share])) + str(number)
        hard = rng.random() < share
        rows.append({"query": text, "strong": float(rng.random() < 0.95), "weak": float(not hard)})
    return RecordSet.from_rows(rows)


@pytest.fixture(scope="module")
def router():
    train = strong_and_weak().select(range(120))
    return Router.fit(train, embedder=EMBEDDER, estimator=MatrixFactorization(**QUICK))


def test_calibrated_to_a_share_it_keeps_to_it(router):
    records = strong_and_weak()
    found = calibrate(router, records, Share(model="strong", at_most=0.3), holdout=0)
    assert isinstance(found.policy, Threshold)
    chosen = router.route_many(records.queries, policy=found.policy)
    strong = [each.model == "strong" for each in chosen]
    assert 0.2 < np.mean(strong) <= 0.3
    calls = np.array([text.count("b") for text in records.queries])
    assert calls[strong].mean() > calls[np.invert(strong)].mean() + 2


def test_better_than_a_coin_between_the_rows_that_bound_it(router):
    test = strong_and_weak().select(range(120, 160))
    weak, strong = test.scores[:, 1].astype(float), test.scores[:, 0].astype(float)
    curve = strong_fraction_curve(router.estimate(test.queries).scores[:, 0], weak, strong)
    assert apgr(curve) > 0.6
    for threshold, expected in ((0.0, strong.mean()), (1.0, weak.mean())):
        policy = Threshold(strong="strong", weak="weak", threshold=threshold)
        chosen = router.route_many(test.queries, policy=policy)
        got = [strong[i] if one.model == "strong" else weak[i] for i, one in enumerate(chosen)]
        assert np.mean(got) == expected


def test_another_pair_takes_the_places_of_the_two_without_training(router):
    swapped = router.with_pool(
        ModelPool(
            models=[
                ModelSpec(name="new-large", aliases=["strong"]),
                ModelSpec(name="new-small", aliases=["weak"]),
            ]
        )
    )
    half = float(np.median(router.estimate(router.records.queries[:30]).scores[:, 0]))
    policy = Threshold(strong="new-large", weak="new-small", threshold=half)
    before = Threshold(strong="strong", weak="weak", threshold=half)
    stands_for = {"strong": "new-large", "weak": "new-small"}
    chosen = [router.route(text, policy=before).model for text in router.records.queries[:30]]
    assert set(chosen) == {"strong", "weak"}
    for text, was in zip(router.records.queries[:30], chosen, strict=True):
        assert swapped.route(text, policy=policy).model == stands_for[was]
    assert swapped.estimator is router.estimator


def test_records_that_join_later_are_not_trained_on_and_new_models_are_refused():
    records = strong_and_weak()
    quick = MatrixFactorization(**QUICK)
    router = Router.fit(records.select(range(120)), embedder=EMBEDDER, estimator=quick)
    before = router.estimate(["abbb 7"]).strengths
    router.add_records(records.select(range(120, 160)))
    np.testing.assert_array_equal(router.estimate(["abbb 7"]).strengths, before)
    new = RecordSet.from_rows([{"id": "row-1", "query": records.queries[0], "third": 1}])
    with pytest.raises(EstimatorError, match="now of strong, weak, third; fit the router anew"):
        router.add_model("third", new)
    assert router.estimate(["abbb 7"]).models == ("strong", "weak")
