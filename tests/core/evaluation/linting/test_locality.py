import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet
from knnrouter.evaluation.linting.locality import check_locality, neighbor_pairs, residuals
from knnrouter.evaluation.linting.subject import Subject


def subject(records, embedder):
    return Subject(records=records, other=None, pool=None, embedder=embedder, seed=0)


def shuffled(records, seed=0):
    order = np.random.default_rng(seed).permutation(len(records))
    return RecordSet(**records.as_dict() | {"scores": records.scores[order], "tasks": None})


def unlocal(records, found):
    """The first shuffle that does not look local: one in forty does."""
    every = (shuffled(records, seed) for seed in range(50, 60))
    return next(each for each in every if "no_locality" in found(each))


@pytest.fixture(scope="module")
def clean():
    return RecordSet.from_rows(clean_rows(300))


def by_hand(records, embedder):
    """Moran's I with plain loops."""
    scores = records.scores.astype(float).tolist()
    scores = [[score - sum(row) / len(row) for score in row] for row in scores]
    means = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
    scores = [[score - mean for score, mean in zip(row, means, strict=True)] for row in scores]
    vectors = embedder.embed(list(records.queries)).astype(float)
    own = sum(sum(score * score for score in row) for row in scores) / len(scores)
    products = []
    for row, query in enumerate(records.queries):
        cosines = np.round(vectors @ vectors[row], 6)
        order = sorted(range(len(scores)), key=lambda each: (-cosines[each], each))
        near = [each for each in order if records.queries[each] != query][:10]
        products += [
            sum(a * b for a, b in zip(scores[row], scores[each], strict=True)) for each in near
        ]
    return sum(products) / len(products) / own


def test_residuals_have_no_mean(clean):
    found = residuals(clean.scores.astype(float))
    assert found.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert residuals(np.array([[1.0, np.nan], [0.0, 1.0]])).tolist() == [[0.25, 0.0], [-0.25, 0.0]]


def test_shuffled_scores_have_no_locality(clean, found, embedder):
    records = unlocal(clean, found)
    finding = found(records)["no_locality"]
    assert finding.value["near"] == pytest.approx(by_hand(records, embedder), abs=1e-9)
    assert finding.value["shuffled_low"] < 0 < finding.value["shuffled_high"]
    assert f"by {finding.value['near']:.4f}" in finding.why


def test_clean_records_agree_where_they_are_near(clean, found, embedder):
    assert by_hand(clean, embedder) > 0.1
    assert "no_locality" not in found(clean)


def test_the_control_is_what_other_shuffles_give(clean, found, embedder):
    value = found(unlocal(clean, found))["no_locality"].value
    others = [by_hand(shuffled(clean, seed), embedder) for seed in range(1, 31)]
    inside = np.mean([value["shuffled_low"] <= each <= value["shuffled_high"] for each in others])
    assert inside >= 0.8


def test_shuffles_are_taken_for_shuffles(clean, embedder):
    """At the upper point of 97.5 %, one shuffled file in forty passes for local."""
    fired = [
        bool(list(check_locality(subject(shuffled(clean, seed), embedder)))) for seed in range(40)
    ]
    assert sum(fired) >= 35


def test_what_only_tells_hard_from_easy_is_no_locality(embedder):
    """Models that are all good at one task and all bad at another leave nothing to choose."""
    found = 0
    for seed in range(10):
        made = clean_rows(300)
        random = np.random.default_rng(seed)
        for row in made:
            level = 0.8 if row["task"] in ("law", "code") else 0.2
            for model in ("coder", "jurist", "cook"):
                row[model] = level + random.uniform(-0.1, 0.1)
        found += bool(list(check_locality(subject(RecordSet.from_rows(made), embedder))))
    assert found >= 7


def test_rows_of_one_text_are_no_neighbors(clean, embedder):
    again = RecordSet.concat(
        [clean, RecordSet(**clean.as_dict() | {"ids": [f"again{name}" for name in clean.ids]})]
    )
    pairs = neighbor_pairs(subject(again, embedder))
    queries = np.array(again.queries)
    assert len(pairs) >= 600 * 9
    assert (queries[pairs[:, 0]] != queries[pairs[:, 1]]).all()


def test_few_rows_are_not_looked_at(clean, embedder):
    parts = [shuffled(clean, seed) for seed in range(5)]
    for rows, looked_at in ((19, False), (20, True)):
        few = [subject(part.select(range(rows)), embedder) for part in parts]
        assert any(list(check_locality(each)) for each in few) == looked_at
