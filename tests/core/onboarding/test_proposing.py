"""Which rows are proposed to measure a new model on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import RecordSet, Router
from knnrouter.estimators import Evidence
from knnrouter.index import FaissIndex
from knnrouter.onboarding import propose
from knnrouter.onboarding.proposing import _allocated

NAN = float("nan")


def evidence(vectors, scores, **more):
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    count = len(vectors)
    fields = {
        "ids": [f"q{row}" for row in range(count)],
        "queries": [f"text {row}" for row in range(count)],
        "models": [f"m{place}" for place in range(np.shape(scores)[1])],
        "scores": scores,
    }
    records = RecordSet(**fields | more)
    return Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))


def three_bunches(sizes=(40, 40, 40), spread=(0.0, 0.5, 0.5), seed=0):
    """Bunches of rows in three directions, on which two models differ as much as `spread` says."""
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(3), sizes)
    vectors = np.eye(3)[place] + rng.normal(0, 0.05, (len(place), 3))
    half = np.array(spread)[place]
    scores = np.stack([0.5 + half, 0.5 - half], axis=1)
    return evidence(vectors, scores, tasks=[f"task {each}" for each in place])


class TestWhatIsChosen:
    def test_more_where_models_disagree_and_some_where_they_agree(self):
        chosen = propose(three_bunches(), 30).tasks
        assert chosen["task 1"] + chosen["task 2"] >= 24
        assert chosen["task 0"] >= 1

    def test_by_weight_where_they_disagree_alike(self):
        chosen = propose(three_bunches(sizes=(120, 40, 40), spread=(0.3, 0.3, 0.3)), 20).tasks
        assert chosen == {"task 0": 12, "task 1": 4, "task 2": 4}

    def test_a_row_is_not_chosen_for_what_the_models_scored_on_it(self):
        """All lie in one direction; on one row in ten the models disagree."""
        rng = np.random.default_rng(1)
        vectors = np.eye(8)[[0] * 200] + rng.normal(0, 0.3, (200, 8))
        apart = np.arange(200) % 10 == 0
        scores = np.stack([np.ones(200), 1.0 - apart], axis=1)
        chosen = propose(evidence(vectors, scores), 40).ids
        assert sum(int(name[1:]) % 10 == 0 for name in chosen) <= 12

    def test_the_middle_of_a_bunch(self):
        vectors = [[1, 0], [1, 0.1], [1, 0.2], [0, 1]]
        (row,) = propose(evidence(vectors[:3], [[1, 0]] * 3), 1).rows
        assert (row.id, row.stands_for, row.disagreement) == ("q1", 3.0, 0.5)

    def test_who_stands_for_most_disagreement_comes_first(self):
        rows = propose(three_bunches(sizes=(10, 60, 30), spread=(0.1, 0.5, 0.5)), 3).rows
        stakes = [row.stands_for * row.disagreement for row in rows]
        assert stakes == sorted(stakes, reverse=True)
        assert sum(row.stands_for for row in rows) == 100

    def test_rows_that_keep_their_text_go_first(self):
        known = three_bunches()
        fields = known.records.as_dict()
        fields["queries"] = [f"text {row}" if row % 3 == 0 else None for row in range(120)]
        mixed = Evidence(records=RecordSet(**fields), vectors=known.vectors, index=known.index)
        assert all(row.query == f"text {row.id[1:]}" for row in propose(mixed, 10).rows)
        assert len(propose(mixed, 100)) == 40
        fields["queries"] = None
        bare = Evidence(records=RecordSet(**fields), vectors=known.vectors, index=known.index)
        assert {row.query for row in propose(bare, 10).rows} == {None}
        assert len(propose(bare, 10)) == 10

    def test_disagreement_of_what_was_measured(self):
        rows = [[1, 0, NAN], [1, NAN, NAN], [0.2, 0.4, 0.6]]
        found = {row.id: row.disagreement for row in propose(evidence(np.eye(3), rows), 3).rows}
        assert found["q0"] == pytest.approx(0.5)
        assert np.isnan(found["q1"])
        assert found["q2"] == pytest.approx(np.std([0.2, 0.4, 0.6]))

    def test_one_model_alone(self):
        known = evidence(np.random.default_rng(2).normal(size=(30, 4)), np.ones((30, 1)))
        assert len(propose(known, 7)) == 7

    def test_of_a_router(self):
        rows = [{"query": f"Sort {n} numbers.", "a": 1, "b": n % 2} for n in range(20)]
        router = Router.fit(RecordSet.from_rows(rows))
        assert propose(router, 5).ids == propose(router.evidence, 5).ids


class TestProperties:
    @settings(max_examples=40, deadline=None)
    @given(
        rows=st.integers(1, 60),
        budget=st.integers(1, 70),
        seed=st.integers(0, 100),
        alike=st.booleans(),
    )
    def test_so_many_different_rows_and_always_the_same(self, rows, budget, seed, alike):
        rng = np.random.default_rng(seed)
        vectors = np.ones((rows, 3)) if alike else rng.normal(size=(rows, 3))
        vectors[rng.random(rows) < 0.1] = 0.0
        scores = rng.random((rows, 3))
        scores[rng.random((rows, 3)) < 0.4] = NAN
        scores[0] = 0.5
        known = evidence(vectors, scores, weights=rng.integers(1, 5, rows))
        proposal = propose(known, budget, seed=seed)
        assert len(set(proposal.ids)) == len(proposal) == min(rows, budget)
        assert propose(known, budget, seed=seed) == proposal or "nan" in str(proposal)
        assert propose(known, budget, seed=seed).ids == proposal.ids
        total = sum(row.stands_for for row in proposal.rows)
        assert total == pytest.approx(known.records.weights.sum())
        assert sum(proposal.tasks.values()) == len(proposal)

    @given(
        mass=st.lists(st.floats(0.01, 10), min_size=1, max_size=6),
        data=st.data(),
    )
    def test_the_budget_is_given_out_by_mass(self, mass, data):
        sizes = data.draw(st.lists(st.integers(1, 9), min_size=len(mass), max_size=len(mass)))
        budget = data.draw(st.integers(1, sum(sizes)))
        given_out = _allocated(mass, sizes, budget)
        assert sum(given_out) == budget
        assert all(0 <= have <= size for have, size in zip(given_out, sizes, strict=True))
        # No row would rather be another's: the next one of each is less deserved than its last.
        for mine, have in zip(mass, given_out, strict=True):
            for other, its, size in zip(mass, given_out, sizes, strict=True):
                if have and its < size:
                    assert mine / (2 * have - 1) >= other / (2 * its + 1) * (1 - 1e-12)

    @pytest.mark.parametrize("budget", [0, -1, 2.5, True, "60"])
    def test_what_is_no_budget(self, budget):
        with pytest.raises(ValueError, match="give a whole number of rows, at least 1"):
            propose(three_bunches(), budget)

    def test_plain_values(self):
        told = propose(three_bunches(), 2).to_dict()
        assert told["of"] == 120
        assert [set(row) for row in told["rows"]] == [
            {"id", "query", "task", "stands_for", "disagreement"}
        ] * 2
