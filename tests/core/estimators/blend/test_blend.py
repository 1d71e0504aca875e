"""The whole blend: what it says of queries, against a regression written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import Router
from knnrouter.errors import EstimatorError
from knnrouter.estimators import Blend, Evidence
from knnrouter.estimators.blend.inputs import Scale
from knnrouter.estimators.blend.landmarks import likeness
from knnrouter.estimators.blend.solving import solved
from knnrouter.estimators.blend.targets import Targets
from knnrouter.index import ExactIndex
from knnrouter.records import RecordSet
from knnrouter.text.surface import surface

NAN = float("nan")


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make(rng, *, n=120, dims=6, tasks=4, models=3, missing=0.0, signal=0.6, **more):
    """Models that differ by task, on vectors that lie around a center for each task."""
    centers = 2.0 * rng.normal(size=(tasks, dims))
    task_of = rng.integers(0, tasks, n)
    vectors = unit(centers[task_of] + 0.3 * rng.normal(size=(n, dims)))
    rates = 0.5 + signal * (rng.random((tasks, models)) - 0.5)
    scores = (rng.random((n, models)) < rates[task_of]).astype(float)
    scores[rng.random(scores.shape) < missing] = NAN
    fields = {
        "ids": [str(row) for row in range(n)],
        "models": [f"m{place}" for place in range(models)],
        "tasks": [f"t{task}" for task in task_of],
        "queries": [f"text {row} {'long ' * int(rng.integers(0, 9))}" for row in range(n)],
        "scores": scores,
    }
    records = RecordSet(**fields | more)
    return Evidence(records=records, vectors=vectors, index=ExactIndex(vectors))


def asked(fitted, evidence, rows=slice(0, 20)):
    vectors = evidence.vectors[rows]
    texts = [str(text) for text in evidence.records.queries[rows]]
    near = evidence.index.search(vectors, fitted.neighbors)
    return fitted.estimate_texts(texts, vectors, near)


def reweighted(evidence, factor):
    fields = evidence.records.as_dict() | {"weights": evidence.records.weights * factor}
    records = RecordSet(**fields)
    return Evidence(records=records, vectors=evidence.vectors, index=evidence.index)


class TestTargets:
    @given(st.integers(0, 2**32 - 1))
    def test_complete_rows(self, seed):
        scores = np.random.default_rng(seed).integers(0, 11, (7, 4)) / 10
        found = Targets.of(RecordSet(ids="abcdefg", models="wxyz", scores=scores))
        np.testing.assert_allclose(found.levels, scores.mean(axis=1), atol=1e-7)
        np.testing.assert_allclose(found.leads, scores - scores.mean(axis=1)[:, None], atol=1e-7)

    def test_additive_scores_with_holes_are_taken_apart_exactly(self):
        level, lead = np.array([0.2, 0.5, 0.6, 0.4, 0.3]), np.array([0.1, -0.15, 0.05])
        scores = level[:, None] + lead
        scores[0, 0] = scores[1, 2] = scores[3, 1] = NAN
        found = Targets.of(RecordSet(ids="abcde", models="xyz", scores=scores))
        np.testing.assert_allclose(found.levels, level, atol=1e-3)
        measured = ~np.isnan(scores)
        np.testing.assert_allclose(
            found.leads[measured], np.broadcast_to(lead, (5, 3))[measured], atol=1e-3
        )
        assert np.isnan(found.leads[~measured]).all()

    def test_a_row_with_one_model_compares_nothing(self):
        scores = [[1, NAN], [0, 1], [NAN, NAN]]
        found = Targets.of(RecordSet(ids="abc", models="xy", scores=scores))
        assert np.isnan(found.leads[0]).all()
        assert found.leads[1].tolist() == [-0.5, 0.5]
        assert np.isnan(found.levels[2])

    def test_a_model_that_no_row_measured_beside_another(self):
        """Its leads are from the mean level of the rows that compare: 0.5 and 0.3, 0.4."""
        scores = [[0.6, 0.4, NAN], [0.4, 0.2, NAN], [NAN, NAN, 0.9], [NAN, NAN, 0.7]]
        found = Targets.of(RecordSet(ids="abcd", models="xyz", scores=scores))
        np.testing.assert_allclose(found.levels, [0.5, 0.3, NAN, NAN], atol=1e-7)
        np.testing.assert_allclose(found.leads[:, 2], [NAN, NAN, 0.5, 0.3], atol=1e-7)
        np.testing.assert_allclose(found.leads[:2, :2], [[0.1, -0.1]] * 2, atol=1e-7)

    def test_a_log_in_which_few_rows_compare_is_read_all_the_same(self):
        """Three scores stand alone, two in one row: leads are from the one level, 0.6."""
        scores = [[1, NAN], [NAN, 0], [NAN, 1], [1, 0]]
        found = Targets.of(RecordSet(ids="abcd", models="xy", scores=scores))
        np.testing.assert_allclose(found.levels, [0.6] * 4, atol=1e-7)
        wanted = [[0.4, NAN], [NAN, -0.6], [NAN, 0.4], [0.4, -0.6]]
        np.testing.assert_allclose(found.leads, wanted, atol=1e-7)

    def test_where_no_row_compares(self):
        records = RecordSet(ids="ab", models="xy", scores=[[1, NAN], [NAN, 0]], weights=[3, 1])
        found = Targets.of(records)
        assert found.levels.tolist() == [0.75, 0.75]
        np.testing.assert_allclose(found.leads, [[0.25, NAN], [NAN, -0.75]])


class _Plain:
    """Features that stand in an array, some rows at a time."""

    def __init__(self, blocks, weights, step):
        self.sizes = tuple(block.shape[1] for block in blocks)
        self.together = np.concatenate(blocks, axis=1)
        self.weights, self.step = weights, step

    def features(self):
        for start in range(0, len(self.together), self.step):
            some = slice(start, start + self.step)
            yield some, self.together[some]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.3]), step=st.integers(5, 60))
def test_solved_is_a_weighted_ridge_for_each_target(seed, missing, step):
    rng = np.random.default_rng(seed)
    n = 50
    blocks = [np.ones((n, 1)), rng.normal(size=(n, 3)) + 1, rng.normal(size=(n, 4))]
    weights = rng.integers(1, 4, n).astype(float)
    wanted = rng.normal(size=(n, 3)) + blocks[1][:, :1]
    wanted[rng.random(wanted.shape) < missing] = NAN
    wanted[:3] = 0.1
    found = solved(_Plain(blocks, weights, step), wanted)
    x = np.concatenate(blocks, axis=1)
    means = np.average(x, axis=0, weights=weights)
    means[0] = 0.0
    np.testing.assert_allclose(found.means, means)
    penalty = np.repeat(1 / np.array(found.variances), [1, 3, 4])
    for target in range(3):
        kept = ~np.isnan(wanted[:, target])
        part, w = (x - means)[kept], weights[kept]
        gram = part.T @ (w[:, None] * part) + np.diag(penalty)
        right = part.T @ (w * wanted[kept, target])
        np.testing.assert_allclose(found.columns[:, target], np.linalg.solve(gram, right))
        square = (w * wanted[kept, target] ** 2).sum() - right @ found.columns[:, target]
        assert found.noise[target] == pytest.approx(square / kept.sum())


def test_the_standard_error_is_the_posterior_one():
    """With as many directions as features nothing is left out of the variance."""
    rng = np.random.default_rng(5)
    n = 80
    blocks = [np.ones((n, 1)), rng.normal(size=(n, 2)), rng.normal(size=(n, 3))]
    wanted = rng.normal(size=(n, 2)) + 0.5 * blocks[2][:, :1]
    found = solved(_Plain(blocks, np.ones(n), n), wanted)
    x = np.concatenate(blocks, axis=1) - found.means
    prior = np.repeat(found.variances, [1, 2, 3])
    exact = np.linalg.inv(x.T @ x + np.diag(1 / prior))
    directions = found.columns[:, 2:]
    determined = 1 - 1 / (1 + found.gains)
    query = rng.normal(size=6)
    kept = (prior * query**2).sum() - ((query @ directions) ** 2 * determined).sum()
    assert kept == pytest.approx(query @ exact @ query)


def test_likeness_is_the_kernel_of_the_docstring():
    rng = np.random.default_rng(0)
    vectors, texts = unit(rng.normal(size=(9, 5))), [f"{'word ' * k}?" for k in range(9)]
    scale = Scale.of(vectors, surface(texts))
    inputs = scale.inputs(vectors, surface(texts))
    assert (inputs.embeddings**2).sum(axis=1).mean() == pytest.approx(1.0)
    found = likeness(inputs, inputs)
    for i in range(9):
        for j in range(9):
            apart = ((inputs.embeddings[i] - inputs.embeddings[j]) ** 2).sum()
            apart += ((inputs.surfaces[i] - inputs.surfaces[j]) ** 2).mean()
            assert found[i, j] == pytest.approx(np.exp(-apart / 2.8))
    bare = scale.inputs(vectors, surface(texts)).embeddings
    none = Scale.of(vectors, np.empty((9, 0))).inputs(vectors, np.empty((9, 0)))
    assert likeness(none, none)[0, 1] == pytest.approx(
        np.exp(-((bare[0] - bare[1]) ** 2).sum() / 1.4)
    )


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"landmarks": 0}, "landmarks is 0; give a whole number of at least 1"),
            ({"landmarks": 2.5}, "landmarks is 2.5; give"),
            ({"landmarks": True}, "landmarks is True; give"),
            ({"texts": "no"}, "texts is 'no'; give true or false"),
            ({"texts": 1, "landmarks": -1}, "landmarks is -1; .*; texts is 1; give"),
        ],
    )
    def test_wrong_ones(self, given, message):
        with pytest.raises(EstimatorError, match=message):
            Blend(**given)


class TestBlend:
    def test_the_right_model_in_each_task(self):
        evidence = make(np.random.default_rng(1), n=400, signal=1.0)
        scores = asked(Blend().fit(evidence), evidence, slice(None)).scores
        measured = evidence.records.scores
        chosen = measured[np.arange(400), scores.argmax(axis=1)].mean()
        assert chosen > measured.mean(axis=0).max() + 0.05

    @pytest.mark.parametrize("seed", range(6))
    def test_labels_at_random_leave_the_best_single_model(self, seed):
        rng = np.random.default_rng(seed)
        evidence = make(rng, n=300, signal=0.6)
        mixed = evidence.records.scores[rng.permutation(300)]
        records = RecordSet(**evidence.records.as_dict() | {"scores": mixed})
        shuffled = Evidence(records=records, vectors=evidence.vectors, index=evidence.index)
        chosen = asked(Blend().fit(shuffled), shuffled, slice(None)).scores.argmax(axis=1)
        assert (chosen == mixed.mean(axis=0).argmax()).mean() > 0.9

    def test_weights_are_relative_but_for_the_mean(self):
        """Rows that count more say more of the means alone, which are shrunk by 20 measurements."""
        evidence = make(np.random.default_rng(2))
        one, other = Blend().fit(evidence), Blend().fit(reweighted(evidence, 3.0))
        local = one.readout.columns[1:, :4], other.readout.columns[1:, :4]
        np.testing.assert_allclose(*local, atol=0.03 * np.abs(local[0]).max())
        found = asked(one, evidence).scores, asked(other, evidence).scores
        np.testing.assert_allclose(*found, atol=0.02)

    def test_a_new_model_with_few_labels_is_close_to_its_mean(self):
        rng = np.random.default_rng(3)
        evidence = make(rng, n=300)
        scores = evidence.records.scores.copy()
        scores[12:, 2] = NAN
        records = RecordSet(**evidence.records.as_dict() | {"scores": scores})
        few = Evidence(records=records, vectors=evidence.vectors, index=evidence.index)
        found = asked(Blend().fit(few), few, slice(None))
        assert not np.isnan(found.scores).any()
        assert (found.stderr[:, 2] > found.stderr[:, 0]).mean() > 0.9

    def test_a_model_measured_on_rows_of_its_own_has_a_score(self):
        rows = [{"query": f"Sort array {n}.", "a": 0.5, "b": 0.4} for n in range(20)]
        rows += [{"query": f"Boil egg {n}.", "c": 0.9} for n in range(20)]
        router = Router.fit(RecordSet.from_rows(rows), estimator=Blend())
        found = router.estimate(["Boil egg 7."]).scores[0]
        assert np.isfinite(found).all()
        assert found.argmax() == 2

    def test_a_query_without_a_known_word_gets_the_means(self):
        evidence = make(np.random.default_rng(4), n=300)
        fitted = Blend().fit(evidence)
        zero = np.zeros((1, 6), np.float32)
        near = evidence.index.search(zero, fitted.neighbors)
        found = fitted.estimate_texts(["?"], zero, near)
        np.testing.assert_allclose(found.scores[0], evidence.records.scores.mean(axis=0), atol=0.02)

    def test_it_says_when_texts_are_missing(self):
        evidence = make(np.random.default_rng(4))
        fitted = Blend().fit(evidence)
        near = evidence.index.search(evidence.vectors, 3)
        with pytest.raises(EstimatorError, match="asked without the texts of the queries"):
            fitted.estimate(evidence.vectors, near)

    @pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
    def test_few_rows(self, n):
        evidence = make(np.random.default_rng(n), n=n)
        found = asked(Blend().fit(evidence), evidence)
        assert np.isfinite(found.scores).all()
        assert np.isfinite(found.stderr).all()
        assert found.stderr.max() <= 0.5

    def test_four_rows_of_two_tasks_tell_these_apart(self):
        """Fewer texts than folds: the first thing that a user tries."""
        rows = [
            {"query": "Reverse a linked list in C.", "task": "code", "coder": 1, "poet": 0},
            {"query": "Sort an array in C.", "task": "code", "coder": 1, "poet": 0},
            {"query": "Write a sonnet on the sea.", "task": "verse", "coder": 0, "poet": 1},
            {"query": "Write a haiku on the moon.", "task": "verse", "coder": 0, "poet": 1},
        ]
        router = Router.fit(RecordSet.from_rows(rows), estimator=Blend())
        asked = ["A poem on rain", "Explain the moon", "Merge two lists", "Sort a list in C."]
        found = [decision.model for decision in router.route_many(asked)]
        assert found == ["poet", "poet", "coder", "coder"]

    def test_texts_that_are_all_alike(self):
        evidence = make(np.random.default_rng(4), queries=["the same"] * 120)
        found = asked(Blend().fit(evidence), evidence)
        assert np.isfinite(found.scores).all()

    def test_damaged_arrays(self):
        evidence = make(np.random.default_rng(4), missing=0.2)
        arrays = Blend(landmarks=8).fit(evidence).arrays
        for name, array in arrays.items():
            others = [array[:-1], array[:0], array[..., None]]
            if array.dtype.kind == "f":
                others.append(np.full_like(array, NAN))
            for other in others:
                self.refused(evidence, {**arrays, name: other})
            self.refused(evidence, {other: arrays[other] for other in arrays if other != name})
        self.refused(evidence, {**arrays, "marks": np.array([999] * 8)})

    def refused(self, evidence, arrays):
        with pytest.raises(EstimatorError, match=r"arrays of the blend.*fit the router anew"):
            Blend(landmarks=8).restore(evidence, arrays)

    def test_arrays_of_a_model_that_was_never_measured_are_not_damaged(self):
        scores = np.random.default_rng(1).random((30, 3)).astype(np.float32)
        scores[:, 1] = NAN
        evidence = make(np.random.default_rng(4), n=30, scores=scores, tasks=2)
        fitted = Blend(landmarks=8).fit(evidence)
        again = Blend(landmarks=8).restore(evidence, fitted.arrays)
        np.testing.assert_array_equal(asked(again, evidence).scores, asked(fitted, evidence).scores)
