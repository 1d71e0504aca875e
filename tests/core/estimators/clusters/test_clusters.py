"""Clusters and UniRoute, fitted, asked, saved, and given other evidence."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import Router
from knnrouter.errors import EstimatorError, MissingExtraError
from knnrouter.estimators import (
    AvengersPro,
    Clusters,
    Evidence,
    ReadsText,
    UniRoute,
    Updates,
    from_settings,
)
from knnrouter.estimators.clusters import words as words_module
from knnrouter.index import ExactIndex
from knnrouter.policies import Candidates, ScoreMinusCost, ranked
from knnrouter.records import RecordSet

NAN = float("nan")
ANY = [Clusters(k=3, shrinkage=4.0), UniRoute(k=3, shrinkage=0), AvengersPro(k=4, top_p=2)]


def angles(*degrees):
    """A unit row in the plane for each angle."""
    turned = np.radians(degrees)
    return np.column_stack((np.cos(turned), np.sin(turned))).astype(np.float32)


def evidence(rows, scores, **more):
    names = [str(row) for row in range(len(rows))]
    models = [f"m{place}" for place in range(np.shape(scores)[1])]
    given = {"ids": names, "queries": names, "models": models, "scores": np.array(scores, float)}
    return Evidence(records=RecordSet(**given | more), vectors=rows, index=ExactIndex(rows))


def ask(fitted, known, rows):
    return fitted.estimate(rows, known.index.search(rows, fitted.neighbors))


TWO = evidence(angles(0, 5, 90, 95), [[1, 0], [1, 1], [0, 1], [NAN, 0.5]])


@pytest.mark.parametrize("estimator", [Clusters(k=2, shrinkage=0), UniRoute(k=2, shrinkage=0)])
def test_a_query_goes_as_its_cluster_went(estimator):
    fitted = estimator.fit(TWO)
    found = ask(fitted, TWO, angles(10, 80))
    assert found.scores.tolist() == [[1.0, 0.5], [0.0, 0.75]]
    # p (1 - p) over one more than the measurements
    assert found.stderr == pytest.approx(np.sqrt([[0, 0.25 / 3], [0, 0.1875 / 3]]))
    assert found.similarity == pytest.approx(np.cos(np.radians([5, 10])), abs=1e-6)
    assert found.support.tolist() == [[3, 4], [3, 4]]  # of the nearest rows, all four


def test_a_cluster_where_a_model_was_not_measured():
    known = evidence(angles(0, 5, 90, 95), [[1, 0], [0, 1], [1, NAN], [1, NAN]])
    found = ask(Clusters(k=2, shrinkage=0).fit(known), known, angles(90))
    assert found.scores.tolist() == [[1.0, 0.5]]  # its mean over all rows


def test_a_query_without_a_known_word_is_in_no_cluster():
    nothing = np.zeros((1, 2), np.float32)
    for estimator in ANY:
        found = ask(estimator.fit(TWO), TWO, nothing)
        assert found.scores[0] == pytest.approx([2 / 3, 2.5 / 4])
        assert found.support.tolist() == [[0.0, 0.0]]


def test_weights_are_numbers_of_measurements():
    """A row of weight three counts as three rows do, but for the centers."""
    heavy = evidence(angles(0, 5, 90), [[1, 0], [0, 1], [0, 1]], weights=[3.0, 1.0, 1.0])
    again = evidence(angles(0, 0, 0, 5, 90), [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    one, other = (Clusters(k=2, shrinkage=2.0).fit(each) for each in (heavy, again))
    np.testing.assert_allclose(
        ask(one, heavy, angles(3, 88)).scores, ask(other, again, angles(3, 88)).scores, atol=1e-12
    )


def test_what_is_chosen_is_written_down():
    rng = np.random.default_rng(0)
    known = evidence(angles(*rng.uniform(0, 360, 200)), rng.integers(0, 2, (200, 3)))
    for estimator, kind in ((Clusters(), "clusters"), (UniRoute(), "uniroute")):
        settled = dict(estimator.fit(known, seed=3).settings)
        assert settled["kind"] == kind
        assert settled["k"] in (4, 8, 16)
        assert settled["shrinkage"] in (0.0, 4.0, 16.0, 64.0, 256.0)
        assert from_settings(settled) == replace(
            estimator, k=settled["k"], shrinkage=settled["shrinkage"]
        )


@pytest.mark.parametrize("estimator", ANY)
def test_other_evidence_keeps_the_centers(estimator):
    rng = np.random.default_rng(1)
    rows = angles(*rng.uniform(0, 360, 60))
    known = evidence(rows, rng.integers(0, 2, (60, 2)))
    more_rows = np.vstack((rows, angles(*rng.uniform(0, 360, 20))))
    more = evidence(more_rows, np.vstack((known.records.scores, rng.integers(0, 2, (20, 2)))))
    fitted = estimator.fit(known)
    assert isinstance(fitted, Updates)
    updated = fitted.updated(more)
    np.testing.assert_array_equal(updated.partition.centers, fitted.partition.centers)
    assert updated.settings == fitted.settings
    # A row belongs where it belonged, and the sums are of all rows.
    np.testing.assert_array_equal(updated.cluster_of[:60], fitted.cluster_of)
    assert updated.means.counts.sum() == 160
    saved = from_settings(updated.settings).restore(more, updated.arrays)
    for one in (updated, saved):
        np.testing.assert_array_equal(
            ask(one, more, more_rows).scores, ask(updated, more, more_rows).scores
        )


def grown(known, column):
    """The same evidence, and one more model."""
    records = known.records
    scores = np.column_stack((records.scores.astype(float), column))
    fields = records.as_dict() | {
        "models": (*records.models, "new"),
        "scores": scores,
        "costs": np.column_stack((records.costs, np.full(len(records), 0.5))),
    }
    return Evidence(records=RecordSet(**fields), vectors=known.vectors, index=known.index)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(range(len(ANY))), st.booleans())
def test_a_dominated_model_that_joins_changes_no_decision(seed, place, missing):
    rng = np.random.default_rng(seed)
    scores = rng.integers(1, 5, (40, 3)) / 5
    if missing:
        scores[rng.random(scores.shape) < 0.3] = NAN
        scores[:, 0] = np.nan_to_num(scores[:, 0], nan=0.6)
    costs = rng.uniform(0.1, 0.4, (40, 3))
    known = evidence(angles(*rng.uniform(0, 360, 40)), scores, costs=costs)
    fitted = ANY[place].fit(known)
    joined = grown(known, scores[:, 0] - 0.2)  # measured everywhere, always behind m0, and dearer
    queries = angles(*rng.uniform(0, 360, 25))
    before, after = ask(fitted, known, queries), ask(fitted.updated(joined), joined, queries)
    np.testing.assert_array_equal(after.scores[:, :3], before.scores)
    np.testing.assert_array_equal(after.stderr[:, :3], before.stderr)
    for row in range(25):
        means = np.nanmean(joined.records.scores.astype(float), axis=0)
        first = [
            ranked(
                Candidates(
                    models=found.models,
                    scores=found.scores[row].tolist(),
                    costs=found.costs[row].tolist(),
                    means=means[: len(found.models)].tolist(),
                ),
                found.scores[row].tolist(),
            )[0]
            for found in (before, after)
        ]
        assert first[0] == first[1]


def test_uniroute_is_clusters_of_vectors():
    rng = np.random.default_rng(4)
    scores = np.where(rng.random((80, 3)) < 0.2, NAN, rng.integers(0, 2, (80, 3)))
    known = evidence(angles(*rng.uniform(0, 360, 80)), scores)
    one, other = (each.fit(known, seed=5) for each in (Clusters(), UniRoute()))
    assert one.settings["k"] == other.settings["k"]
    queries = angles(*rng.uniform(0, 360, 20))
    np.testing.assert_array_equal(
        ask(one, known, queries).scores, ask(other, known, queries).scores
    )


def test_an_unseen_model_joins_with_few_labels_and_is_taken_where_it_is_good():
    rng = np.random.default_rng(2)
    degrees = np.concatenate([rng.normal(centre, 8, 100) for centre in (0, 90, 180)])
    group = np.repeat([0, 1, 2], 100)
    rates = np.array([[0.6, 0.5], [0.6, 0.5], [0.5, 0.6]])[group]
    known = evidence(angles(*degrees), (rng.random((300, 2)) < rates).astype(float))
    fitted = UniRoute(k=3, shrinkage=8.0).fit(known)
    column = np.full(300, NAN)
    labelled = rng.permutation(300)[:60]
    column[labelled] = rng.random(60) < np.array([0.95, 0.1, 0.1])[group[labelled]]
    joined = grown(known, column)
    found = ask(fitted.updated(joined), joined, angles(0, 90, 180)).scores
    assert found.argmax(axis=1).tolist()[0] == 2
    assert 2 not in found.argmax(axis=1).tolist()[1:]


def test_rows_without_a_label_help_to_find_the_centers():
    rows = angles(0, 4, 90, 94, 180, 184)
    scores = [[1, 0], [NAN, NAN], [0, 1], [NAN, NAN], [1, 0], [NAN, NAN]]
    fitted = UniRoute(k=3, shrinkage=0).fit(evidence(rows, scores))
    turned = sorted(np.degrees(np.arctan2(*fitted.partition.centers.T[::-1])).round().tolist())
    assert turned == [2.0, 92.0, -178.0] or turned == [-178.0, 2.0, 92.0]


def test_equal_models_the_cheaper_one():
    """UniRoute's rule for ties is the rule of the policies, after the mean over all records."""
    costs = [[0.3, 0.1]] * 4
    known = evidence(angles(0, 5, 90, 95), [[1, 1], [0, 0], [1, 1], [1, 1]], costs=costs)
    found = ask(UniRoute(k=2, shrinkage=0).fit(known), known, angles(0))
    candidates = Candidates(
        models=found.models,
        scores=found.scores[0].tolist(),
        costs=found.costs[0].tolist(),
        means=(0.75, 0.75),
    )
    assert ScoreMinusCost(cost_weight=0)(candidates).ranking == ("m1", "m0")


TEXTS = {
    "sums": "Tom has {} apples and eats two apples. How many apples are left?",
    "rivers": "Which river flows through the town number {} of that land?",
}


def questions(texts=TEXTS, count=30):
    rng = np.random.default_rng(3)
    rows = []
    for place, text in enumerate(texts.values()):
        for number in range(count):
            right = rng.random(2) < (0.9 if place == 0 else 0.2, 0.2 if place == 0 else 0.9)
            rows.append({"query": text.format(number), "a": right[0], "b": right[1]})
    return RecordSet.from_rows(rows)


def test_clusters_of_words(tmp_path):
    pytest.importorskip("sklearn", reason="it finds the words and the centers")
    router = Router.fit(questions(), estimator=Clusters(k=2, features="tfidf", shrinkage=0))
    assert isinstance(router.estimator, ReadsText)
    assert "apples" in router.estimator.words.vocabulary
    assert len(set(router.estimator.cluster_of.tolist())) == 2
    assert router.route("Ann has 5 apples. How many apples are left?").model == "a"
    assert router.route("Which river flows there?").model == "b"
    router.save(tmp_path / "saved", keep_queries=False)
    again = Router.load(tmp_path / "saved")
    texts = ["How many apples?", "A town", "7"]
    np.testing.assert_array_equal(again.estimate(texts).scores, router.estimate(texts).scores)
    assert again.estimator.settings == router.estimator.settings


def test_a_model_is_added_to_a_router():
    """A newcomer that fails on twenty labelled questions changes no decision, and is estimated."""
    records = questions()
    router = Router.fit(records, estimator=UniRoute(k=2, shrinkage=4))
    asked_for = [text.format(99) for text in TEXTS.values()]
    before = router.route_many(asked_for)
    labelled = [*range(10), *range(30, 40)]
    new = RecordSet.from_rows([{"query": records.queries[row], "c": 0} for row in labelled])
    router.add_model("c", new)
    after = router.route_many(asked_for)
    assert [each.model for each in after] == [each.model for each in before]
    for one, other in zip(before, after, strict=True):
        assert {name: other.scores[name] for name in one.scores} == one.scores
        assert other.scores["c"] < 0.2


def test_words_of_other_evidence():
    pytest.importorskip("sklearn", reason="it finds the words and the centers")
    router = Router.fit(questions(), estimator=Clusters(k=2, features="tfidf", shrinkage=0))
    fitted, known = router.estimator, router.evidence
    more = Router.fit(questions(count=40), estimator=Clusters(k=2, shrinkage=0)).evidence
    updated = fitted.updated(more)
    assert updated.words is fitted.words
    assert updated.means.counts.sum() == 160
    assert np.unique(updated.cluster_of[:40]).size == 1
    bare = Evidence(
        records=RecordSet(**known.records.as_dict() | {"queries": None}),
        vectors=known.vectors,
        index=known.index,
    )
    np.testing.assert_array_equal(fitted.updated(bare).cluster_of, fitted.cluster_of)
    fewer = Evidence(
        records=bare.records.select(range(5)),
        vectors=known.vectors[:5],
        index=ExactIndex(known.vectors[:5]),
    )
    with pytest.raises(EstimatorError, match="5 of 5 rows keep no text"):
        fitted.updated(fewer)


def test_words_that_tell_nothing_apart():
    pytest.importorskip("sklearn", reason="it looks for the words")
    rows = [{"query": f"What is it{end}", "a": 1, "b": 0} for end in ("?", "?!")]
    said = r'no word is in 5% to 95% of the 2 texts.*"embedding"'
    with pytest.raises(EstimatorError, match=said):
        Router.fit(RecordSet.from_rows(rows), estimator=Clusters(features="tfidf"))


def test_words_need_an_extra(monkeypatch):
    monkeypatch.setattr(words_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'knnrouter\[train\]'"):
        Clusters(features="tfidf").fit(TWO)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Clusters(k=0, features="bert", shrinkage=-1), ["k is 0", "'bert'", "is -1"]),
        (lambda: Clusters(k=2.5), ["k is 2.5; give a whole number of at least 1, or"]),
        (lambda: Clusters(k=True), ["k is True"]),
        (lambda: UniRoute(k="many", shrinkage=NAN), ["k is 'many'", "shrinkage is nan"]),
        (lambda: UniRoute(shrinkage=float("inf")), ["shrinkage is inf; give a number >= 0, or"]),
        (
            lambda: AvengersPro(k="auto", top_p=0, beta=-9, shrinkage="auto"),
            ["k is 'auto'; give a whole number of at least 1;", "top_p is 0", "beta is -9", "auto"],
        ),
    ],
)
def test_settings_out_of_range(made, said):
    with pytest.raises(EstimatorError) as error:
        made()
    assert all(each in str(error.value) for each in said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("centers", None, r"`centers` of shape \(any, any\), and found none"),
        ("centers", np.zeros(3), r"`centers` .* found one of shape \(3,\)"),
        ("centers", np.full((2, 2), NAN), "not finite"),
        ("cluster_of", np.zeros(3), r"`cluster_of` of shape \(4\), and found one of shape \(3,\)"),
        ("cluster_of", np.array([0, 1, 2, 0]), r"outside \[0, 2\)"),
        ("cluster_of", np.array([0, -1, 1, 0]), r"outside \[0, 2\)"),
        ("difficulty", np.zeros(3), r"`difficulty` of shape \(2\)"),
    ],
)
def test_damaged_arrays(name, value, said):
    fitted = Clusters(k=2, shrinkage=1.0).fit(TWO)
    arrays = dict(fitted.arrays)
    arrays.pop(name)
    if value is not None:
        arrays[name] = value
    with pytest.raises(EstimatorError, match=f"{said}.*fit the router anew"):
        Clusters(k=2, shrinkage=1.0).restore(TWO, arrays)
