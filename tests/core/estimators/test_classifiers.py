import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import Router, read_records
from knnrouter.errors import EstimatorError, MissingExtraError
from knnrouter.estimators import MultiLabel, Separate, parse, spec
from knnrouter.estimators.classifiers.labels import Labels
from knnrouter.estimators.classifiers.logistic import FOLDS, STRENGTHS, HeldOut
from knnrouter.records import RecordSet

NAN = float("nan")
sklearn_linear = pytest.importorskip("sklearn.linear_model", reason="the extra `train`")

CELLS = st.lists(
    st.tuples(st.sampled_from([NAN, 0.0, 0.3, 0.7, 1.0]), st.sampled_from([0.5, 1.0, 3.0])),
    max_size=9,
)


def pairs(scores, weights):
    """(row, right, weight) of each label, one score at a time."""
    found = []
    for row, (score, weight) in enumerate(zip(scores, weights, strict=True)):
        if math.isnan(score):
            continue
        if score > 0:
            found.append((row, True, weight * score))
        if score < 1:
            found.append((row, False, weight * (1 - score)))
    return found


@given(CELLS)
def test_labels_are_weighted_pairs(cells):
    scores, weights = ([cell[place] for cell in cells] for place in (0, 1))
    found = Labels.of(np.array(scores, dtype=float), np.array(weights, dtype=float))
    told = list(zip(found.rows.tolist(), found.right.tolist(), found.weights.tolist(), strict=True))
    twin = pairs(scores, weights)
    assert [label[:2] for label in sorted(told)] == [label[:2] for label in sorted(twin)]
    assert [label[2] for label in sorted(told)] == pytest.approx([w for _, _, w in sorted(twin)])
    assert found.measured == len({row for row, _, _ in twin})
    assert found.totals == pytest.approx(
        tuple(sum(w for _, right, w in twin if right is each) for each in (False, True))
    )
    kept = np.arange(len(cells)) % 2 == 0
    assert sorted(found.on(kept).rows.tolist()) == sorted(row for row, *_ in twin if row % 2 == 0)


def test_balanced_is_scikit_learns():
    weight = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    scores = np.array([1.0, 0, 0, 1, 0, 0, 0])
    found = Labels.of(scores, np.ones(7)).balanced()
    wrong, right = weight("balanced", classes=np.array([0, 1]), y=scores)
    assert found.weights.tolist() == pytest.approx([right] * 2 + [wrong] * 5)
    assert found.totals == pytest.approx((3.5, 3.5))


def test_balanced_keeps_what_has_one_class():
    assert Labels.of(np.ones(3), np.ones(3)).balanced().weights.tolist() == [1.0] * 3


def topics(twin, *, n=90, fractions=True, missing=0.2, seed=0):
    """Three models, each good at a direction of its own; and one that was never measured."""
    rng = np.random.default_rng(seed)
    vectors = twin.unit(rng.normal(size=(n, 5)))
    chances = 1 / (1 + np.exp(-4 * vectors[:, :3]))
    scores = rng.binomial(10 if fractions else 1, chances) / (10 if fractions else 1)
    scores = np.where(rng.random(scores.shape) < missing, NAN, scores)
    records = RecordSet(
        ids=[str(row) for row in range(n)],
        queries=[f"text {row}" for row in range(n)],
        models=("a", "b", "c", "new"),
        scores=np.column_stack([scores, np.full(n, NAN)]),
        weights=1.0 + np.arange(n) % 3,
    )
    return twin.evidence(records, vectors)


def asked(twin, fitted, evidence, rows=None):
    rows = evidence.vectors if rows is None else rows
    return fitted.estimate(rows, evidence.index.search(rows, fitted.neighbors))


def slope(evidence, line, intercept, column, c, balance=1.0):
    """The gradient of the stated loss, one label at a time; zero at its minimum."""
    scores = [round(float(score), 7) for score in evidence.records.scores[:, column]]
    rows, total, at_intercept = evidence.vectors.astype(float), np.array(line) / c, 0.0
    for row, right, weight in pairs(scores, evidence.records.weights.tolist()):
        chance = 1 / (1 + math.exp(-(sum(rows[row] * line) + intercept)))
        total = total + weight * (chance - right) * rows[row]
        at_intercept += weight * (chance - right)
    return [*total.tolist(), at_intercept]


@pytest.mark.parametrize("c", [0.1, 10.0])
def test_each_line_is_at_the_minimum_of_its_loss(twin, c):
    evidence = topics(twin)
    fitted = MultiLabel(c=c).fit(evidence)
    for column in range(3):
        line = fitted.coefficients[column]
        found = slope(evidence, line, fitted.intercepts[column], column, c)
        assert np.abs(found).max() < 2e-3  # of about 150 measurements
        moved = slope(evidence, line + 0.01, fitted.intercepts[column], column, c)
        assert np.abs(moved).max() > 0.01


def test_scores_are_the_chances_that_the_lines_give(twin):
    evidence = topics(twin)
    fitted = MultiLabel(c=1.0).fit(evidence)
    found = asked(twin, fitted, evidence)
    for row in range(5):
        for column in range(3):
            odds = fitted.intercepts[column] + sum(
                a * b
                for a, b in zip(
                    fitted.coefficients[column].tolist(),
                    evidence.vectors[row].tolist(),
                    strict=True,
                )
            )
            assert found.scores[row, column] == pytest.approx(1 / (1 + math.exp(-odds)))
    assert np.isnan(found.stderr).all()
    assert found.support.shape == (90, 4)


def test_never_measured_is_nan(twin):
    found = asked(twin, MultiLabel(c=1.0).fit(topics(twin)), topics(twin))
    assert np.isnan(found.scores[:, 3]).all()
    assert not np.isnan(found.scores[:, :3]).any()


def test_lines_are_those_of_scikit_learn(twin):
    evidence = topics(twin, fractions=False)
    records = evidence.records
    alone, balanced = (Separate(c=0.7, balance=balance).fit(evidence) for balance in (False, True))
    for column in range(3):
        own = ~np.isnan(records.scores[:, column])
        data = (evidence.vectors[own].astype(float), records.scores[own, column] > 0.5)
        weights = records.weights[own]
        twin_line = sklearn_linear.LogisticRegression(C=0.7, tol=1e-10, max_iter=1000)
        twin_line.fit(*data, sample_weight=weights)
        assert alone.coefficients[column] == pytest.approx(twin_line.coef_[0], abs=1e-3)
        assert alone.intercepts[column] == pytest.approx(twin_line.intercept_[0], abs=1e-3)
        half = weights.sum() / 2
        factor = np.where(data[1], half / weights[data[1]].sum(), half / weights[~data[1]].sum())
        twin_line.fit(*data, sample_weight=weights * factor)
        assert balanced.coefficients[column] == pytest.approx(twin_line.coef_[0], abs=1e-3)
        assert balanced.intercepts[column] == pytest.approx(twin_line.intercept_[0], abs=1e-3)


def test_with_one_strength_both_are_the_same(twin):
    evidence = topics(twin)
    one, other = MultiLabel(c=0.3).fit(evidence), Separate(c=0.3).fit(evidence)
    assert np.array_equal(one.coefficients, other.coefficients)
    assert np.array_equal(one.intercepts, other.intercepts, equal_nan=True)


def test_what_is_not_measured_is_not_there(twin):
    evidence = topics(twin)
    own = np.flatnonzero(~np.isnan(evidence.records.scores[:, 1]))
    part = twin.evidence(evidence.records.select(own), evidence.vectors[own])
    whole = MultiLabel(c=1.0).fit(evidence)
    assert MultiLabel(c=1.0).fit(part).coefficients[1] == pytest.approx(
        whole.coefficients[1], abs=1e-4
    )


def test_a_weight_of_two_is_two_rows(twin):
    evidence = topics(twin, n=40)
    records = evidence.records
    twice = np.concatenate([np.full(int(w), row) for row, w in enumerate(records.weights)])
    many = RecordSet(
        ids=[str(place) for place in range(len(twice))],
        models=records.models,
        scores=records.scores[twice],
    )
    repeated = twin.evidence(many, evidence.vectors[twice])
    one, other = (MultiLabel(c=1.0).fit(each) for each in (evidence, repeated))
    assert one.coefficients == pytest.approx(other.coefficients, abs=1e-4)
    assert one.intercepts == pytest.approx(other.intercepts, abs=1e-4, nan_ok=True)


def with_scores(twin, columns, n=60):
    rng = np.random.default_rng(1)
    records = RecordSet(
        ids=[str(row) for row in range(n)],
        models=[f"m{place}" for place in range(len(columns))],
        scores=np.column_stack(columns),
    )
    return twin.evidence(records, twin.unit(rng.normal(size=(n, 4))))


@pytest.mark.parametrize("estimator", [MultiLabel(), Separate(), Separate(balance=True)])
def test_labels_that_allow_no_line_give_a_shrunk_constant(twin, estimator):
    rng = np.random.default_rng(2)
    few = np.full(60, NAN)
    few[:9] = [1, 0, 1, 1, 0, 1, 1, 1, 0]
    columns = [np.ones(60), np.zeros(60), few, rng.integers(0, 2, 60).astype(float)]
    evidence = with_scores(twin, columns)
    found = asked(twin, estimator.fit(evidence), evidence).scores
    right = [np.nansum(column) for column in columns]
    prior = (sum(right) + 1) / (60 + 60 + 9 + 60 + 2)
    for column, count in enumerate((60, 60, 9)):
        share = (right[column] + 20 * prior) / (count + 20)
        if getattr(estimator, "balance", False):
            two = (count / 2 + 10) / (count + 20)  # both classes count alike
            share = two if column == 2 else (right[column] + 10) / (count + 20)
        assert found[:, column] == pytest.approx(share)
    assert found[:, 3].std() > 0
    assert 0 < found.min() < found.max() < 1


def test_ten_rows_are_enough_for_a_line(twin):
    column = np.full(60, NAN)
    column[:10] = [1, 0, 1, 1, 0, 1, 1, 1, 0, 0]
    found = MultiLabel(c=10.0).fit(with_scores(twin, [column]))
    assert found.coefficients.any()


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_row_or_two(twin, rows):
    for column in (np.ones(rows), np.full(rows, 0.5), np.full(rows, NAN)):
        evidence = with_scores(twin, [np.zeros(rows), column], n=rows)
        for estimator in (MultiLabel(), Separate(balance=True)):
            found = asked(twin, estimator.fit(evidence), evidence).scores
            assert (np.isnan(found[:, 1]) == np.isnan(column)).all()
            assert 0 < found[0, 0] < 0.5


def test_no_row_is_refused(twin):
    evidence = topics(twin)
    bare = twin.evidence(evidence.records.select([]), evidence.vectors[:0])
    for estimator in (MultiLabel(), Separate()):
        with pytest.raises(EstimatorError, match="the records have no row, so there is nothing"):
            estimator.fit(bare)


class TestCrossValidation:
    def slow_loss(self, evidence, column, fold_of, c, prior):
        """Each fold's own fresh line, and the log loss of what it has not seen, label by label."""
        scores = [round(float(score), 7) for score in evidence.records.scores[:, column]]
        labels = pairs(scores, evidence.records.weights.tolist())
        total, rows = 0.0, evidence.vectors.astype(float)
        for fold in range(FOLDS):
            seen = [label for label in labels if fold_of[label[0]] != fold]
            line = sklearn_linear.LogisticRegression(C=c, tol=1e-8, max_iter=1000)
            line.fit(
                [rows[row] for row, _, _ in seen],
                [right for _, right, _ in seen],
                sample_weight=[weight for _, _, weight in seen],
            )
            chances = line.predict_proba(rows)[:, 1]
            for row, right, weight in labels:
                if fold_of[row] == fold:
                    total -= weight * math.log(chances[row] if right else 1 - chances[row])
        return total

    def test_the_loss_of_what_is_held_out(self, twin):
        evidence = topics(twin)
        fold_of = np.arange(90) % FOLDS
        labels = Labels.of(twin_scores(evidence, 1), evidence.records.weights)
        held_out = HeldOut(
            vectors=evidence.vectors.astype(float), labels=labels, fold_of=fold_of, prior=0.5,
            max_iter=1000,
        )  # fmt: skip
        for c in (0.1, 1.0, 30.0):  # each from where the one before ended
            slow = self.slow_loss(evidence, 1, fold_of, c, 0.5)
            assert held_out.loss(c) == pytest.approx(slow, rel=1e-4)

    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_joint_loss_decides_for_all_models(self, twin, seed):
        evidence = topics(twin, seed=seed)
        places = np.random.default_rng(7).permutation(90)
        losses = [
            [self.slow_loss(evidence, column, places % FOLDS, c, 0.5) for c in STRENGTHS]
            for column in range(3)
        ]
        joint = [sum(column) for column in zip(*losses, strict=True)]
        assert MultiLabel().fit(evidence, seed=7).settings["c"] == STRENGTHS[np.argmin(joint)]
        own = [STRENGTHS[np.argmin(column)] for column in losses]
        stated = str(Separate().fit(evidence, seed=7).settings["c"])
        found = [float(part) for part in stated.split(",")]
        assert (found[:3] if len(found) > 1 else found * 3) == own

    def test_rows_of_one_text_are_held_out_together(self, twin):
        """Else the strongest trust would win: every row could be looked up in its copy."""
        rng = np.random.default_rng(0)
        scores = rng.integers(0, 2, 30).repeat(2).astype(float)
        vectors = np.eye(30, dtype=np.float32).repeat(2, axis=0)
        records = RecordSet(
            ids=[str(row) for row in range(60)],
            queries=[f"text {row // 2}" for row in range(60)],
            models=("a",),
            scores=scores[:, None],
        )
        together = MultiLabel().fit(twin.evidence(records, vectors))
        fields = records.as_dict() | {"queries": [f"text {row}" for row in range(60)]}
        apart = MultiLabel().fit(twin.evidence(RecordSet(**fields), vectors))
        assert together.settings["c"] == STRENGTHS[0]
        assert apart.settings["c"] > 1

    def test_the_seed_draws_the_folds(self, twin):
        evidence = topics(twin, seed=3)
        found = {Separate().fit(evidence, seed=seed).settings["c"] for seed in range(6)}
        assert len(found) > 1
        assert (
            Separate().fit(evidence, seed=5).settings == Separate().fit(evidence, seed=5).settings
        )


def twin_scores(evidence, column):
    return np.array([round(float(score), 7) for score in evidence.records.scores[:, column]])


def test_noise_is_not_trusted(twin):
    rng = np.random.default_rng(0)
    evidence = with_scores(twin, [rng.integers(0, 2, 600).astype(float) for _ in range(3)], n=600)
    assert MultiLabel().fit(evidence).settings["c"] == STRENGTHS[0]


def test_far_odds_do_not_overflow(twin):
    evidence = topics(twin)
    arrays = {"coefficients": np.full((4, 5), 1e6), "intercepts": np.zeros(4)}
    found = MultiLabel(c=1.0).restore(evidence, arrays)
    rows = np.array([[1, 0, 0, 0, 0], [-1, 0, 0, 0, 0]], dtype=np.float32)
    assert asked(twin, found, evidence, rows).scores.tolist() == [[1.0] * 4, [0.0] * 4]


class TestSettings:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: MultiLabel(c=-1, max_iter=0),
                'c is -1; give a number above 0, or "auto"; max_iter is 0; give a whole number of '
                "at least 1",
            ),
            (lambda: MultiLabel(c="0.3,1"), "c is '0.3,1'; give a number above 0, or \"auto\""),
            (lambda: MultiLabel(c=float("inf")), "c is inf; give a number above 0"),
            (lambda: MultiLabel(c=True), "c is True; give a number above 0"),
            (lambda: MultiLabel(max_iter=1.5), "max_iter is 1.5; give a whole number"),
            (
                lambda: Separate(c="0.3,zero", balance="yes", max_iter=True),
                "c is '0.3,zero'; give a number above 0, one a model as text, or \"auto\"; balance "
                "is 'yes'; give true or false; max_iter is True; give a whole number of at least 1",
            ),
            (lambda: Separate(c="0.3,-1"), "c is '0.3,-1'; give a number above 0"),
            (lambda: Separate(c=""), "c is ''; give a number above 0"),
            (lambda: Separate(c=None), "c is None; give a number above 0"),
        ],
    )
    def test_wrong(self, make, message):
        with pytest.raises(EstimatorError) as caught:
            make()
        assert message in str(caught.value)

    def test_each_models_own_strength_is_kept(self, twin):
        evidence = topics(twin)
        found = Separate(c="0.01,0.1,10,1").fit(evidence)
        assert found.settings == {
            "kind": "separate", "c": "0.01,0.1,10,1", "balance": False,
            "max_iter": 1000,
        }  # fmt: skip
        for column, c in enumerate((0.01, 0.1, 10.0)):
            alone = Separate(c=c).fit(evidence)
            assert np.array_equal(found.coefficients[column], alone.coefficients[column])
        again = parse(spec(Separate(c=found.settings["c"]))).fit(evidence)
        assert np.array_equal(again.coefficients, found.coefficients)

    def test_numbers_for_other_models(self, twin):
        message = "c is '1,2', 2 numbers for 4 models; give one a model, a number for all, or"
        with pytest.raises(EstimatorError, match=message):
            Separate(c="1,2").fit(topics(twin))
        fitted = Separate(c="0.1,1,1,1").fit(topics(twin))
        with pytest.raises(EstimatorError, match="4 numbers for 2 models"):
            fitted.updated(with_scores(twin, [np.ones(60), np.zeros(60)]))

    def test_what_is_stated_is_what_the_settings_say(self, twin):
        """A pool's setting is compared with them when the router is loaded."""
        for c in ("1,1,1,1", "0.30, 1,10,1", 3):
            assert Separate(c=c).fit(topics(twin)).settings["c"] == c

    def test_a_model_that_joins_gets_a_strength_of_its_own(self, twin):
        every = topics(twin).records.scores.T
        evidence = with_scores(twin, [*every, every[0]], n=90)
        found = Separate(c="0.01,0.1,10,1").fit(topics(twin)).updated(evidence)
        chosen = str(Separate().fit(evidence).settings["c"]).split(",")[-1]
        assert found.settings["c"] == f"0.01,0.1,10,1,{chosen}"
        anew = parse(spec(found.estimator)).fit(evidence)
        assert np.array_equal(anew.coefficients, found.coefficients)
        one = Separate(c=0.3).fit(topics(twin)).updated(evidence)
        assert one.settings["c"] == 0.3

    def test_arrays_that_do_not_fit(self, twin):
        evidence = topics(twin)
        with pytest.raises(EstimatorError) as caught:
            Separate(c=1.0).restore(evidence, {"coefficients": np.zeros((4, 3))})
        assert str(caught.value) == (
            "the arrays of separate do not fit the records: `coefficients` has shape (4, 3), not "
            "(4, 5); `intercepts` is missing; fit the router anew"
        )


def test_updated_learns_from_other_evidence_at_the_same_strength(twin):
    fitted = MultiLabel().fit(topics(twin))
    more = topics(twin, seed=9)
    found = fitted.updated(more)
    assert found.settings == fitted.settings
    assert np.array_equal(
        found.coefficients, MultiLabel(c=fitted.settings["c"]).fit(more).coefficients
    )


def test_without_scikit_learn(twin, monkeypatch):
    evidence = topics(twin)
    fitted = MultiLabel(c=1.0).fit(evidence)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    wanted = r"fitting a classifier needs the extra `train`.*pip install 'knnrouter\[train\]'"
    for estimator in (MultiLabel(), Separate(c=1.0)):
        with pytest.raises(MissingExtraError, match=wanted):
            estimator.fit(evidence)
    again = MultiLabel(c=1.0).restore(evidence, fitted.arrays)  # asking needs numpy alone
    assert np.array_equal(
        asked(twin, again, evidence).scores, asked(twin, fitted, evidence).scores, equal_nan=True
    )


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 1.0, 100.0]))
def test_a_model_that_is_right_more_often_everywhere_scores_higher(twin, seed, c):
    rng = np.random.default_rng(seed)
    low = rng.random(60) * 0.9
    high = low + rng.random(60) * (1 - low) * 0.5 + 0.02
    evidence = with_scores(twin, [low, np.minimum(high, 1.0)])
    found = asked(twin, MultiLabel(c=c).fit(evidence), evidence).scores.mean(axis=0)
    assert found[1] > found[0]


def test_gsm8k():
    """Of seven real models the one that was trained on the questions to learn from is chosen."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("KNNROUTER_DATA", beside)) / "routerdc"
    if not folder.is_dir():
        pytest.skip("no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data")
    train, test = (read_records(folder / f"gsm8k-{part}.json") for part in ("train", "test"))
    router = Router.fit(train, estimator="multi_label:c=0.3")
    chosen = [each.model for each in router.route_many(test.queries)]
    scores = [row[test.models.index(name)] for row, name in zip(test.scores, chosen, strict=True)]
    assert np.mean(scores) == pytest.approx(0.6941, abs=0.002)
    assert chosen.count("meta-math/MetaMath-Mistral-7B") / len(chosen) == pytest.approx(
        0.9575, abs=0.005
    )
