"""The recipes that the bake-off compares choose what their descriptions say, by hand."""

from pathlib import Path

import numpy as np
import pytest

from knnrouter import RecordSet
from knnrouter.policies import ScoreMinusCost

pytest.importorskip("pandas", reason="RouterBench's recipe needs pandas")
pytest.importorskip("sklearn", reason="other routers' recipes need scikit-learn")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAN = float("nan")


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import recipes

    return recipes


@pytest.fixture
def known(recipes):
    """Rows at angles of a quarter turn, in degrees, with what three models scored and cost."""

    def known(rows, costs=None):
        texts = [f"query number {place}" for place in range(len(rows))]
        records = RecordSet(
            ids=tuple(texts),
            queries=tuple(texts),
            tasks=("",) * len(rows),
            models=("b", "a", "c"),
            scores=np.array([scores for _, scores in rows], np.float32),
            costs=np.array(costs or [[NAN] * 3] * len(rows)),
        )
        return recipes.Embedded(records=records, vectors=at([angle for angle, _ in rows]))

    return known


def at(angles):
    turned = np.radians(np.array(angles, dtype=np.float64))
    rows = np.zeros((len(turned), 256), np.float32)  # as long as the bundled embedder makes them
    rows[:, :2] = np.stack([np.cos(turned), np.sin(turned)], axis=1)
    return rows


def asked(recipes, *angles, texts=None):
    return recipes.Queries(texts=texts or ["?"] * len(angles), vectors=at(angles))


ROWS = [
    (0, (1, 0, 0)),
    (1, (1, 0, 1)),
    (2, (0, 0, 1)),
    (88, (0, 1, 0)),
    (89, (0, 1, 0)),
    (90, (0, 0, 1)),
]


def test_routerbench_takes_the_best_mean_of_the_nearest(recipes, known):
    fitted = recipes.routerbench(3)(known(ROWS), 0)
    queries = asked(recipes, 0, 90)
    # Means near 0 are 2/3, 0, 2/3, and the first of equals is taken; near 90 they are 0, 2/3, 1/3.
    assert fitted.choose(queries).tolist() == [0, 1]
    assert fitted.gain(queries, 0, 1) == pytest.approx([-2 / 3, 2 / 3])


def test_routerbench_skips_what_was_not_measured(recipes, known):
    rows = [(0, (NAN, 0.5, 0)), (1, (0.75, 0.5, 0)), (2, (NAN, 0.5, 0))]
    assert recipes.routerbench(3)(known(rows), 0).choose(asked(recipes, 0)).tolist() == [0]


def test_routerbench_weighs_one_price_a_model(recipes, known):
    priced = known(ROWS, costs=[[0.02, 0.01, 0.001]] * 6)
    queries = asked(recipes, 0, 90)
    assert recipes.routerbench(3, cost_weight=1)(priced, 0).choose(queries).tolist() == [2, 1]
    # 2/3 - 50 * 0.01 = 0.17 is less than 1/3 - 50 * 0.001 = 0.28.
    assert recipes.routerbench(3, cost_weight=50)(priced, 0).choose(queries).tolist() == [2, 2]
    swept = recipes.routerbench(3)(priced, 0).sweep(queries)
    assert len(swept) == len(recipes.COST_WEIGHTS)
    assert swept[0].tolist() == [0, 1]
    assert swept[-1].tolist() == [2, 2]


def test_ulab_labels_ties_by_the_order_of_the_models(recipes, known):
    rows = [(angle, (1, 1, 0)) for angle in range(5)] + [(90, (0, 0, 1))]
    queries = asked(recipes, 0)
    by_order = {
        order: recipes.ulab(order)(known(rows), 0).choose(queries).tolist()
        for order in ("file", "reversed")
    }
    assert by_order == {"file": [0], "reversed": [1]}


def test_ulab_votes_that_tie_go_to_the_first_name(recipes, known):
    rows = [(0, (1, 0, 0)), (1, (1, 0, 0)), (2, (0, 1, 0)), (3, (0, 1, 0)), (4, (0, 0, 1))]
    fitted = recipes.ulab("file")(known(rows), 0)
    queries = asked(recipes, 2, 0)
    assert fitted.choose(queries).tolist() == [1, 1]  # column 1 is "a", column 0 is "b"
    assert recipes.ulab("file", at_once=1)(known(rows), 0).choose(queries).tolist() == [1, 1]
    assert fitted.gain(queries, 0, 1).tolist() == [1.0, 1.0]


def test_orders_of_the_models(recipes):
    orders = recipes.tie_orders(np.array([[0.0, 1.0, 0.5], [0.0, 1.0, NAN]]))
    assert {name: order.tolist() for name, order in orders.items()} == {
        "file": [0, 1, 2],
        "reversed": [2, 1, 0],
        "best-average-first": [1, 2, 0],
    }


def test_embedllm_takes_the_model_that_is_most_often_right(recipes, known):
    rows = [(0, (0.5, 1, NAN)), (1, (0.75, 0.25, 1)), (2, (1, 0.49, NAN)), (90, (0, 1, 0))]
    fitted = recipes.embedllm(3)(known(rows), 0)
    queries = asked(recipes, 0, 90)
    assert fitted.choose(queries).tolist() == [0, 0]
    assert fitted.gain(queries, 1, 0) == pytest.approx([2 / 3, 1 / 3])


def test_embedllm_with_a_model_that_is_always_right(recipes, known):
    rows = [(0, (0, 1, 0)), (1, (0, 1, 0))]
    assert recipes.embedllm(131)(known(rows), 0).choose(asked(recipes, 0)).tolist() == [1]


def test_avengers_takes_the_best_mean_of_the_nearest_cluster(recipes, known):
    fitted = recipes.avengers(2)(known(ROWS), 0)
    queries = asked(recipes, 10, 80)
    assert fitted.choose(queries).tolist() == [0, 1]
    assert fitted.gain(queries, 0, 1) == pytest.approx([-2 / 3, 2 / 3])


def test_avengers_leaves_out_rows_with_a_score_missing(recipes, known):
    rows = [*ROWS, (0, (0, 1, NAN)), (1, (0, 1, NAN)), (2, (0, 1, NAN))]
    assert recipes.avengers(2)(known(rows), 0).choose(asked(recipes, 1)).tolist() == [0]


def test_avengers_goes_from_cost_alone_to_scores_alone(recipes, known):
    priced = known(ROWS, costs=[[0.02, 0.01, 0.001]] * 6)
    swept = recipes.avengers(2)(priced, 0).sweep(asked(recipes, 10, 80))
    assert swept[0].tolist() == [2, 2]
    assert swept[-1].tolist() == [0, 1]
    # Near 80 the scores are 0, 1, 1/2 of their range and the savings 0, 0.5, 0.95: the cheap one
    # is ahead while a / 2 < 0.45 (1 - a), that is for a < 0.474.
    weights = np.linspace(0, 1, len(recipes.COST_WEIGHTS))
    assert [each[1] for each in swept] == [2 if weight < 9 / 19 else 1 for weight in weights]


def test_length_takes_the_best_model_of_the_length_class(recipes, known):
    taught = known([(0, (1, 0, 0))] * 5 + [(0, (0, 1, 0))] * 5)
    fields = taught.records.as_dict()
    fields["queries"] = tuple("x" * (10 * place + 1) for place in range(10))
    taught = recipes.Embedded(records=RecordSet(**fields), vectors=taught.vectors)
    fitted = recipes.by_length(taught, 0)
    queries = asked(recipes, 0, 0, texts=["x", "x" * 95])
    assert fitted.choose(queries).tolist() == [0, 1]
    short, long = fitted.gain(queries, 0, 1)
    assert short < long
    assert fitted.gain(queries, 1, 0) == pytest.approx([-short, -long])


def test_best_single(recipes, known):
    fitted = recipes.best_single(known([(0, (0.5, NAN, 0.25)), (1, (0, 0.5, 0.5))]), 0)
    assert fitted.choose(asked(recipes, 0, 90)).tolist() == [1, 1]


def test_ours_chooses_and_weighs_costs(recipes, known):
    costs = [[0.02, 0.01, 0.001]] * 40
    rows = [(place / 40, (1, 0, 0.5)) for place in range(20)]
    rows += [(90 - place / 40, (0, 1, 0.5)) for place in range(20)]
    queries = asked(recipes, 0, 90, texts=["first", "second"])
    fitted = recipes.knnrouter()(known(rows, costs), 0)
    assert fitted.choose(queries).tolist() == [0, 1]
    assert (fitted.gain(queries, 0, 1) > 0).tolist() == [False, True]
    swept = fitted.sweep(queries)
    assert swept[0].tolist() == [0, 1]
    assert swept[-1].tolist() == [2, 2]
    thrifty = recipes.knnrouter(ScoreMinusCost(cost_weight=500))(known(rows, costs), 0)
    assert thrifty.choose(queries).tolist() == [2, 2]
    assert thrifty.sweep is None


def test_controls_deal_out_what_is_learned_anew(recipes, known):
    seen = []

    def look(taught, seed):
        seen.append(taught)

    taught = known([(angle, (angle / 90, 0, 0)) for angle in range(90)], [[1.0, 2.0, 3.0]] * 90)
    recipes.shuffled_labels(look)(taught, 0)
    recipes.shuffled_queries(look)(taught, 0)
    labels, queries = seen
    np.testing.assert_array_equal(labels.vectors, taught.vectors)
    assert labels.records.queries == taught.records.queries
    np.testing.assert_array_equal(queries.records.scores, taught.records.scores)
    vector_of = dict(zip(taught.records.queries, taught.vectors.tolist(), strict=True))
    assert [vector_of[text] for text in queries.records.queries] == queries.vectors.tolist()
    for mixed, given in ((labels.scores, taught.scores), (queries.vectors, taught.vectors)):
        assert (mixed[:, 0] != given[:, 0]).mean() > 0.9
        assert sorted(mixed[:, 0]) == sorted(given[:, 0])
