"""The report: every figure of a small evaluation by hand; every way in; bad input."""

import json
import math

import numpy as np
import pytest
from keyword_router import keyword_router

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.evaluation import Outcomes, by_folds, evaluate
from knnrouter.evaluation.subjects import outcomes_of
from knnrouter.records import Price

ROWS = [
    # query, task, small, large, expected of small and large
    ("2 + 2?", "math", 1.0, 1.0),
    ("3 * 17?", "math", 0.0, 1.0),
    ("An ode.", "verse", 1.0, 0.0),
    ("A haiku.", "verse", 1.0, 1.0),
]
EXPECTED = np.array([[0.9, 0.8], [0.2, 0.7], [0.8, 0.1], [0.4, 0.6]])


def records(**more):
    rows = [
        {"query": query, "task": task, "small": small, "large": large} | more
        for query, task, small, large in ROWS
    ]
    return RecordSet.from_rows(rows)


PRICED = {"small|cost": 0.001, "large|cost": 0.01}
TRAIN = RecordSet.from_rows([{"query": "t", "small": 0, "large": 1}])


@pytest.fixture
def keyword_rows():
    """What teaches a router, and what it is evaluated on; more code than verse in either."""
    return spoken("train", 0, 20), spoken("test", 100, 15)


def spoken(name, first, count):
    """Queries of verse, and twice as many of code; of each five, who is better fails once."""
    texts = {
        "verse": ("Write a sonnet on the sea,", count),
        "code": ("Sort an array in C,", 2 * count),
    }
    return RecordSet.from_rows(
        {
            "id": f"{name} {task} {number}",
            "query": f"{text} number {number}",
            "task": task,
            "coder": int((task == "code") != (number % 5 == 0)),
            "poet": int((task == "verse") != (number % 5 == 0)),
        }
        for task, (text, times) in texts.items()
        for number in range(first, first + times)
    )


@pytest.fixture
def report():
    return evaluate(EXPECTED, records(**PRICED), train=TRAIN, draws=200)


class TestByHand:
    def test_quality_cost_and_the_single_model(self, report):
        # Chosen: small, large, small, large: 1, 1, 1, 1. The single model, large: 1, 1, 0, 1.
        assert report.quality.estimate == 1.0
        assert report.macro_quality == 1.0
        assert report.cost.estimate == pytest.approx(0.0055)
        assert (report.best_single.name, report.best_single.quality) == ("large", 0.75)
        assert report.best_single.share == 0.5
        assert report.verdict.quality.estimate == 0.25
        assert report.verdict.cost.estimate == pytest.approx(-0.0045)
        assert (report.n, report.basis) == (4, "train")

    def test_references(self, report):
        found = {each.name: each for each in report.references}
        assert {name: (each.quality, each.ahead.estimate) for name, each in found.items()} == {
            "best single model, chosen in training": (0.75, 0.25),
            "random model": (0.75, 0.25),
            "random model, as often as the router chose it": (0.75, 0.25),
            "best single model, in hindsight": (0.75, 0.25),
            "best model of each task, in hindsight": (1.0, 0.0),
            "best model of each query, in hindsight": (1.0, 0.0),
        }
        assert found["best single model, in hindsight"].cost == pytest.approx(0.001)  # a tie
        assert found["best model of each query, in hindsight"].cost == pytest.approx(0.00325)
        assert found["best model of each task, in hindsight"].cost == pytest.approx(0.0055)
        assert [each.in_hindsight for each in report.references] == [False] * 3 + [True] * 3

    def test_behavior(self, report):
        behavior = report.behavior
        assert behavior.shares == {"small": 0.5, "large": 0.5}
        assert (behavior.entropy, behavior.collapsed, behavior.single_share) == (1.0, False, 0.5)
        assert [(each.solvers, each.queries, each.recall) for each in behavior.recall] == [
            (1, 2, 1.0),
            (2, 2, 1.0),
        ]

    def test_ratios(self, report):
        ratios = report.ratios
        assert ratios.ratio_to_best == 1.0
        assert ratios.gain_at_best == pytest.approx(1 / 3)
        assert ratios.gap_at_oracle == 0.0
        assert ratios.oracle_gap_closed == 1.0
        assert ratios.optimal_accuracy == 1.0
        assert ratios.optimal_selection == 0.75  # the haiku went to large, small was cheaper
        assert ratios.optimal_cost == pytest.approx(0.013 / 0.022)

    def test_the_arena_score_is_of_the_cost_of_1000_queries(self, report):
        # $5.5 of $0.0044 to $200: (7.64386 - 2.45943) / (7.64386 + 7.82828) = 0.33508 by log2.
        assert report.ratios.arena_score == pytest.approx(1.1 * 0.33508 / (0.1 + 0.33508), abs=1e-5)

    def test_tasks(self, report):
        math_, verse = report.tasks
        assert (math_.task, math_.n, math_.quality, math_.single, math_.oracle) == (
            *("math", 2),
            *(1.0, 1.0, 1.0),
        )
        assert verse.scores == {"small": 1.0, "large": 0.5}
        assert verse.shares == {"small": 0.5, "large": 0.5}

    def test_the_pair_is_the_two_models_there_are(self):
        rows = [{"query": str(row), "small": row % 2, "large": row % 4 != 1} for row in range(8)]
        expected = np.array([[0.9, 0.5 + 0.05 * (row % 4 == 2)] for row in range(8)])
        pair = evaluate(expected, RecordSet.from_rows(rows), train=TRAIN, draws=20).pair
        # Rows 2 and 6 are where large is expected to do best, and it alone is right there: the
        # first quarter of the calls wins the whole gap from 1/2 to 3/4; small gets all as it is.
        assert (pair.strong, pair.weak, pair.pgr) == ("large", "small", 0.0)
        assert pair.cpt == {20: 0.05, 50: 0.125, 80: 0.2, 95: pytest.approx(0.2375)}
        assert pair.apgr == pytest.approx(0.875)

    def test_the_curve_by_cost(self, report):
        curve = report.curve
        assert curve.points[0].cost_weight == 0.0
        assert curve.points[0].quality == 1.0
        assert curve.points[-1].quality == 0.75  # small alone, where only the cost counts
        assert curve.points[-1].cost == pytest.approx(0.001)
        assert curve.hull == (("small", pytest.approx(0.001), 0.75),)
        assert curve.aiq_of_singles == pytest.approx(0.75)
        assert curve.aiq > 0.75
        # From 0.001 to 0.01 USD, over 0.01: of the flat hull 0.75 * 0.9.
        assert curve.aiq_of_singles_by_max == pytest.approx(0.675)
        assert curve.aiq_by_max == pytest.approx(0.9 * curve.aiq)

    def test_reliability(self, report):
        measured = np.array([row[2:] for row in ROWS])
        assert report.reliability.brier == pytest.approx(np.mean((EXPECTED - measured) ** 2))
        assert sum(each.count for each in report.reliability.bins) == 8

    def test_the_worst_queries_lost_something(self, report):
        assert report.worst == ()
        wrong = evaluate(["large", "small", "large", "large"], records(), train=TRAIN, draws=20)
        assert [(each.query, each.model, each.best) for each in wrong.worst] == [
            ("3 * 17?", "small", ("large",)),
            ("An ode.", "large", ("small",)),
        ]

    def test_the_mixture_at_the_same_cost(self, report):
        # All that the models reach alone, at any cost, is 0.75.
        assert report.against_mixture.estimate == 0.25
        assert evaluate(EXPECTED, records(), train=TRAIN, draws=20).against_mixture is None

    @pytest.mark.filterwarnings("ignore:.* cannot be had")
    def test_of_models_as_good_the_references_pay_the_cheaper(self):
        rows = [
            {"query": "a", "task": "x", "large": 1, "small": 1},
            {"query": "b", "task": "y", "large": 1, "small": 0},
        ]
        made = RecordSet.from_rows(each | PRICED for each in rows)
        found = evaluate(["large"] * 2, made, train=TRAIN, draws=20).references
        costs = {each.name: each.cost for each in found if each.in_hindsight}
        # The first query is the small model's at $0.001, though it is the second column.
        assert costs == {
            "best single model, in hindsight": pytest.approx(0.01),
            "best model of each task, in hindsight": pytest.approx(0.0055),
            "best model of each query, in hindsight": pytest.approx(0.0055),
        }

    def test_of_models_as_good_the_single_one_is_the_cheaper_on_average(self):
        rows = [
            {"query": "a", "large": 0, "small": 1, "large|cost": 2, "small|cost": 0.5},
            {"query": "b", "large": 1, "small": 0, "large|cost": 2, "small|cost": 3},
        ]
        made = RecordSet.from_rows(rows)
        report = evaluate(["small", "large"], made, train=made, draws=20)
        assert (report.best_single.name, report.best_single.cost) == ("small", 1.75)
        found = {each.name: each.cost for each in report.references}
        assert found["best single model, in hindsight"] == 1.75

    def test_of_models_expected_as_good_the_better_in_training_is_chosen(self):
        outcomes = outcomes_of(np.full((4, 2), 0.5), records(), train=TRAIN)
        assert outcomes.chosen.tolist() == [1] * 4

    @pytest.mark.filterwarnings("ignore:.* cannot be had")
    def test_cheaper_than_every_model_alone_counts_as_the_cheapest(self):
        rows = [
            {"query": "a", "small": 1, "large": 1, "small|cost": 1, "large|cost": 3},
            {"query": "b", "small": 0, "large": 1, "small|cost": 3, "large|cost": 1},
        ]
        report = evaluate(["small", "large"], RecordSet.from_rows(rows), train=TRAIN, draws=20)
        # Routing costs $1 a query, either model alone $2, and large alone is always right too.
        assert (report.cost.estimate, report.quality.estimate) == (1.0, 1.0)
        assert report.against_mixture.estimate == 0.0


def chosen_of_two(scores, **more):
    """Outcomes of the models weak and strong; weak is chosen, strong is the single model."""
    count = len(scores)
    given = {
        "ids": tuple(map(str, range(count))),
        "queries": (None,) * count,
        "tasks": (None,) * count,
        "models": ("weak", "strong"),
        "scores": np.array(scores, dtype=np.float64),
        "costs": None,
        "chosen": np.zeros(count, dtype=np.int64),
        "single": np.ones(count, dtype=np.int64),
    }
    outcomes = Outcomes(**given | more)
    rows = [{"id": name, "query": name, "weak": 1, "strong": 1} for name in outcomes.ids]
    return evaluate(outcomes, RecordSet.from_rows(rows), draws=20)


@pytest.mark.filterwarnings("ignore:.* cannot be had")
class TestOfOutcomes:
    def test_of_equal_losses_the_one_with_the_nearest_evidence_comes_first(self):
        scores = [(0.5, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
        similarity = np.array([0.9, 0.25, 0.75, np.nan, 0.9])
        report = chosen_of_two(scores, similarity=similarity)
        assert [each.id for each in report.worst] == ["2", "1", "3", "0"]

    def test_gains_over_the_single_model_and_over_a_random_one(self):
        ratios = chosen_of_two([(1, 0), (1, 0), (0, 1)]).ratios
        # Routing scores 2/3, strong alone 1/3, a random model 1/2.
        assert ratios.gain_at_best == pytest.approx(1.0)
        assert ratios.gain_at_random == pytest.approx(1 / 3)

    def test_the_share_of_the_single_model_is_that_of_its_own_column(self):
        report = chosen_of_two([(0, 1)] * 3, chosen=np.array([0, 1, 1]))
        assert report.behavior.single_share == pytest.approx(2 / 3)

    def test_a_similarity_on_the_edge_of_two_parts_is_of_the_upper_one(self):
        similarity = np.array([0.125, 0.25, 0.5, 0.75, 0.75, 1.0])
        report = chosen_of_two([(0, 1)] * 3 + [(1, 1)] * 3, similarity=similarity)
        # Edges at 1/5 ... 4/5 of the way: 0.25, 0.5, 0.75, 0.75; the part between equals is empty.
        assert [(each.low, each.high, each.n, each.regret) for each in report.by_similarity] == [
            (0.125, 0.125, 1, 1.0),
            (0.25, 0.25, 1, 1.0),
            (0.5, 0.5, 1, 1.0),
            (0.75, 1.0, 3, 0.0),
        ]

    def test_the_curve_compares_with_the_single_model_of_training(self):
        known = {
            "costs": np.tile([0.01, 0.001], (3, 1)),
            "estimated_scores": np.tile([0.9, 0.1], (3, 1)),
        }
        scores = [(1, 1), (1, 0), (0, 0)]
        trained = chosen_of_two(scores, train_means=np.array([0.4, 0.6]), **known)
        # The oracle scores 2/3; strong, the best in training, 1/3; weak, the best here, 2/3.
        assert trained.curve.points[0].single_regret == pytest.approx(1 / 3)
        assert chosen_of_two(scores, **known).curve.points[0].single_regret == 0.0

    def test_where_no_cost_is_expected_the_curve_takes_the_mean(self):
        report = chosen_of_two(
            [(1, 1), (1, 0)],
            costs=np.tile([0.01, 0.001], (2, 1)),
            estimated_scores=np.tile([0.9, 0.8], (2, 1)),
            estimated_costs=np.array([[np.nan, 0.001]] * 2),
        )
        # Weak is not free: where only the cost counts, all goes to strong.
        assert report.curve.points[0].cost == pytest.approx(0.01)
        assert report.curve.points[-1].cost == pytest.approx(0.001)


class TestWaysIn:
    def test_scores_decisions_and_names_agree(self):
        by_scores = evaluate(EXPECTED, records(), train=TRAIN, draws=20)
        names = evaluate(["small", "large", "small", "large"], records(), train=TRAIN, draws=20)
        assert by_scores.quality == names.quality
        assert by_scores.verdict == names.verdict
        assert names.reliability is None
        assert names.pair is None

    def test_a_router_is_asked_and_timed(self, keyword_rows):
        train, test = keyword_rows
        router = Router.fit(train)
        report = evaluate(router, test, draws=20)
        decisions = router.route_many(test.queries)
        again = evaluate(decisions, test, train=train, draws=20)
        assert report.quality == again.quality
        assert report.behavior.shares == again.behavior.shares
        assert report.reliability == again.reliability
        assert report.overhead.mean > 0
        assert sum(each.n for each in report.by_similarity) == len(test)

    def test_the_policy_is_the_one_asked_for(self, keyword_rows):
        train, test = keyword_rows
        pool = ModelPool.from_text(
            "models: [{name: coder, price: {input: 1, output: 1}, expected_output_tokens: 100},"
            " {name: poet, price: {input: 9, output: 9}, expected_output_tokens: 100}]"
        )
        router = Router.fit(train, pool=pool)
        report = evaluate(router, test, policy="score_minus_cost:cost_weight=1e9", draws=20)
        assert report.behavior.shares == {"coder": 1.0, "poet": 0.0}
        assert any("expected by the router" in note for note in report.notes)

    def test_what_the_router_has_seen_is_left_out(self, keyword_rows):
        train, test = keyword_rows
        router = Router.fit(train)
        mixed = RecordSet.concat([test, train.select([0, 1])])
        with pytest.warns(EvaluationWarning, match="2 of .* rows were left out, whose text stands"):
            report = evaluate(router, mixed, draws=20)
        assert report.n == len(test)
        with pytest.raises(EvaluationError, match="no row is left"):
            evaluate(router, train)

    def test_what_a_router_without_texts_has_seen_is_left_out_by_its_vector(
        self, keyword_rows, tmp_path
    ):
        train, test = keyword_rows
        Router.fit(train).save(tmp_path / "bare", keep_queries=False)
        router = Router.load(tmp_path / "bare")
        assert set(router.records.queries) == {None}
        mixed = RecordSet.concat([test, train.select([0, 1])])
        with pytest.warns(EvaluationWarning, match="2 of .* rows were left out, whose text stands"):
            report = evaluate(router, mixed, draws=20)
        assert report.outcomes.ids == test.ids

    def test_a_router_may_choose_only_what_was_measured(self):
        rows = [{"query": "code please", "poet": 0.25, "all": 0.5}]
        router = keyword_router()
        assert router.route("code please").model == "coder"
        outcomes = outcomes_of(router, RecordSet.from_rows(rows))
        assert [each.model for each in outcomes.decisions] == ["all"]
        assert outcomes.routed.tolist() == [0.5]

    def test_vectors_of_the_routers_embedder_are_taken_row_by_row(self):
        router = keyword_router()
        seen = router.records.queries[0]
        rows = [
            {"query": text, "coder": 1, "poet": 1, "all": 1} for text in (seen, "code", "code!")
        ]
        made = RecordSet.from_rows(rows)
        vectors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)  # code, sea, sum
        known = made.as_dict() | {"vectors": vectors, "embedder": router.embedder.id}
        outcomes = outcomes_of(router, RecordSet(**known))
        assert [each.model for each in outcomes.decisions] == ["poet", "all"]
        assert router.embedder.calls == []
        other = outcomes_of(router, RecordSet(**known | {"embedder": "another"}))
        assert [each.model for each in other.decisions] == ["coder", "coder"]

    def test_folds_route_every_row_once(self, keyword_rows):
        everything = RecordSet.concat(keyword_rows)
        outcomes = by_folds(everything, 4)
        assert sorted(outcomes.ids) == sorted(everything.ids)
        report = evaluate(outcomes, everything, draws=20)
        assert report.n == len(everything)
        assert any("4 folds" in note for note in report.notes)
        again = by_folds(everything, 4)
        assert again.chosen.tolist() == outcomes.chosen.tolist()

    def test_folds_that_disagree_on_the_single_model_say_so(self):
        rows = [
            {"query": f"{number}", "one": number % 2, "two": (number + 1) % 2}
            for number in range(40)
        ]
        outcomes = by_folds(RecordSet.from_rows(rows), 5)
        counts = np.bincount(outcomes.single, minlength=2)
        assert counts.all()
        listed = f"one on {counts[0]} rows, two on {counts[1]} rows"
        assert outcomes.notes[-1] == (
            f"the folds disagree on the best single model: {listed}; each row has its fold's"
        )

    def test_where_folds_disagree_the_single_model_is_that_of_most(self):
        costs = np.tile([1.0, 3.0], (4, 1))
        outcomes = Outcomes(
            ids=("0", "1", "2", "3"),
            queries=(None,) * 4,
            tasks=(None,) * 4,
            models=("weak", "strong"),
            scores=np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]),
            costs=costs,
            chosen=np.array([0, 0, 1, 1]),
            single=np.array([0, 1, 1, 1]),
            estimated_scores=np.array([[0.4, 0.6], [0.6, 0.4], [0.4, 0.9], [0.2, 0.1]]),
        )
        rows = [{"id": str(row), "query": str(row), "weak": 1, "strong": 1} for row in range(4)]
        report = evaluate(outcomes, RecordSet.from_rows(rows), draws=20)
        assert report.pair.strong == "strong"
        # The singles cost 2.5 on average and score 0.5; "weak" scores as much on some row for 1.5.
        assert report.curve.cost_save == pytest.approx(1 - 1.5 / 2.5)

    def test_near_duplicates_can_be_kept_on_one_side(self, keyword_rows):
        with pytest.raises(EvaluationError, match="folds is 4, of 2 "):
            by_folds(keyword_rows[0], 4, near=0.5)  # all verse is alike, and so is all code
        assert len(set(by_folds(keyword_rows[0], 2, near=0.5).tasks)) == 2

    def test_clusters_widen_what_hangs_together(self):
        random = np.random.default_rng(0)
        rows = [
            {"query": f"{task} {row}", "task": task, "one": int(random.random() < 0.5), "two": good}
            for task in map(str, range(30))
            for good in [int(random.random() < 0.5)]
            for row in range(10)
        ]
        made = RecordSet.from_rows(rows)
        train = RecordSet.from_rows([{"query": "t", "one": 1, "two": 0}])
        alone = evaluate(["two"] * 300, made, train=train).verdict.quality
        together = evaluate(["two"] * 300, made, train=train, groups="task").verdict.quality
        labels = [str(task) for task in made.tasks]
        given = evaluate(["two"] * 300, made, train=train, groups=labels).verdict.quality
        assert together == given
        assert together.estimate == alone.estimate
        assert together.high - together.low > 2 * (alone.high - alone.low)

    def test_chance_takes_luck_out_of_the_oracle(self):
        rows = [{"query": f"q{row}", "one": row % 2, "two": int(row % 3 > 0)} for row in range(60)]
        made = RecordSet.from_rows(rows)
        report = evaluate(["two"] * 60, made, chance=0.25, draws=20)
        lucky = {each.name: each.quality for each in report.references}
        without = lucky["best model of each query, in hindsight, without lucky guesses"]
        assert lucky["best single model, chosen in hindsight"] <= without
        assert without < lucky["best model of each query, in hindsight"]
        one_each = evaluate(["two"] * 60, made, chance=[0.25] * 60, draws=20)
        assert one_each.references == report.references


class TestMissing:
    def test_rows_that_are_not_complete_are_left_out_and_counted(self):
        rows = [{"query": f"q{row}", "one": row % 2, "two": row % 3 > 0} for row in range(9)]
        rows[4]["one"] = None
        with pytest.warns(EvaluationWarning, match="1 of 9 rows were left out"):
            report = evaluate(["two"] * 9, RecordSet.from_rows(rows), draws=20)
        assert report.n == 8
        assert report.notes[0].startswith("1 of 9 rows were left out")

    def test_a_model_without_a_score_is_left_out(self):
        made = RecordSet.from_rows(
            [{"query": f"q{row}", "one": row % 2, "two": row % 3 > 0} for row in range(9)]
        )
        blank = RecordSet(
            **made.as_dict()
            | {
                "models": ("one", "two", "new"),
                "scores": np.column_stack([made.scores, np.full(9, np.nan)]),
                "costs": None,
            }
        )
        with pytest.warns(EvaluationWarning, match="never measured: new"):
            report = evaluate(["two"] * 9, blank, draws=20)
        assert [each.name for each in report.singles] == ["one", "two"]
        with pytest.raises(EvaluationError, match=r"not measured in these records: 'new' \(9\)"):
            evaluate(["new"] * 9, blank)

    def test_costs_count_only_where_all_are_known(self):
        rows = [
            {"query": f"q{row}", "one": row % 2, "two": row % 3 > 0, "two|cost": 0.1}
            for row in range(9)
        ]
        report = evaluate(["two"] * 9, RecordSet.from_rows(rows), draws=20)
        assert report.cost is None
        assert report.curve is None
        assert math.isnan(report.best_single.cost)
        assert any("some are not known of one" in note for note in report.notes)

    def test_tokens_are_priced(self):
        rows = [
            {
                "query": f"q{row}",
                "one": row % 2,
                "two": row % 3 > 0,
                "one|input_tokens": 100,
                "one|output_tokens": 10,
                "two|input_tokens": 200,
                "two|output_tokens": 20,
            }
            for row in range(9)
        ]
        made = RecordSet.from_rows(rows)
        router = Router.fit(
            RecordSet.from_rows([{"query": "train", "one": 0, "two": 1}]),
            pool=ModelPool.from_text(
                "models: [{name: one, price: {input: 1, output: 10}},"
                " {name: two, price: {input: 2, output: 20}}]"
            ),
        )
        report = evaluate(router, made, draws=20)
        costs = {each.name: each.cost for each in report.singles}
        assert costs == {"one": pytest.approx(0.0002), "two": pytest.approx(0.0008)}

    def test_costs_are_measured_else_of_tokens_else_expected(self):
        tokens = {"one|input_tokens": 100, "one|output_tokens": 10}
        rows = [
            {"query": "twelve bytes", "one": 1, "two": 0, "two|cost": 0.1} | known
            for known in ({"one|cost": 0.5, **tokens}, tokens, {})
        ]
        router = Router.fit(
            RecordSet.from_rows([{"query": "train", "one": 0, "two": 1}]),
            pool=ModelPool.from_text(
                "models: [{name: one, price: {input: 1, output: 10}, expected_output_tokens: 100},"
                " {name: two, price: {input: 2, output: 20}, expected_output_tokens: 100}]"
            ),
        )
        outcomes = outcomes_of(router, RecordSet.from_rows(rows))
        # 100 * $1 + 10 * $10 a million; then 12 / 4 * $1 + 100 * $10 a million.
        assert outcomes.costs[:, 0].tolist() == pytest.approx([0.5, 0.0002, 0.001003])
        assert outcomes.costs[:, 1].tolist() == [0.1] * 3
        assert outcomes.notes == (
            "costs are 67% measured, 17% measured tokens at their price, 17% expected by the "
            "router",
        )

    def test_tokens_have_the_pools_price_else_that_of_the_records(self):
        row = {"query": "a", "one-1": 1, "two": 0}
        for name in ("one-1", "two"):
            row |= {f"{name}|input_tokens": 1000, f"{name}|output_tokens": 100}
        made = RecordSet.from_rows([row])
        prices = {"one-1": Price(3.0, 30.0), "two": Price(5.0, 50.0)}
        stated = RecordSet(**made.as_dict() | {"prices": prices})
        alone = outcomes_of(["two"], stated)
        assert alone.costs.tolist() == [pytest.approx([0.006, 0.01])]
        assert alone.notes == ("costs are 100% measured tokens at their price",)
        assert outcomes_of(["two"], made).costs is None
        router = Router.fit(
            RecordSet.from_rows([{"query": "train", "one-1": 0, "two": 1}]),
            pool=ModelPool.from_text(
                "models: [{name: one, aliases: [one-1]},"
                " {name: two, price: {input: 1, output: 10}}]"
            ),
        )
        routed = outcomes_of(router, stated)
        assert routed.models == ("one", "two")
        assert routed.costs.tolist() == [pytest.approx([0.006, 0.002])]
        taught = RecordSet.from_rows([{"query": "t", "two": 0.5, "one-1": 0.25}])
        assert outcomes_of(router, stated, train=taught).train_means.tolist() == [0.25, 0.5]

    def test_rows_that_count_more_choose_the_single_model(self):
        train = RecordSet.from_rows(
            [{"query": "t", "small": 1, "large": 0}, {"query": "u", "small": 0, "large": 1}]
        )
        weighed = RecordSet(**train.as_dict() | {"weights": np.array([1.0, 3.0])})
        report = evaluate(["small"] * 4, records(), train=weighed, draws=20)
        assert report.outcomes.train_means.tolist() == [0.25, 0.75]
        assert report.best_single.name == "large"
        alike = evaluate(["small"] * 4, records(), train=train, draws=20)
        assert alike.best_single.name == "small"

    def test_without_train_the_single_model_is_of_hindsight(self):
        report = evaluate(EXPECTED, records(), draws=20)
        assert report.basis == "hindsight"
        assert report.references[0].name == "best single model, chosen in hindsight"
        assert report.references[0].in_hindsight


class TestRefused:
    @pytest.mark.parametrize(
        ("subject", "why"),
        [
            (["small"] * 3, "3 decisions for 4 rows"),
            (EXPECTED[:2], r"shape \(2, 2\), the records \(4, 2\)"),
            (np.full((4, 2), np.nan), "nothing is known of any model on 4 of 4 queries"),
            (["tiny"] * 4, r"'tiny' \(4\)"),
        ],
    )
    def test_subjects_that_do_not_fit(self, subject, why):
        with pytest.raises(EvaluationError, match=why):
            evaluate(subject, records())

    @pytest.mark.parametrize("subject", ["small", 7, None])
    def test_subjects_that_are_none(self, subject):
        with pytest.raises(TypeError, match="give a Router"):
            evaluate(subject, records())

    def test_a_policy_without_a_router(self):
        with pytest.raises(TypeError, match="only a router chooses by one"):
            evaluate(EXPECTED, records(), policy="best_score")

    def test_all_wrong_options_at_once(self):
        with pytest.raises(EvaluationError) as caught:
            evaluate(EXPECTED, records(), pair=("small", "tiny"), draws=0, confidence=95)
        assert len(caught.value.problems) == 3

    @pytest.mark.parametrize("groups", ["group", ["a"] * 3, "topic"])
    def test_groups_that_do_not_fit(self, groups):
        with pytest.raises(EvaluationError, match="groups is"):
            evaluate(EXPECTED, records(), groups=groups)

    def test_one_group_is_none(self):
        with pytest.raises(EvaluationError, match="1 different label"):
            evaluate(EXPECTED, records(), groups=["a"] * 4)

    @pytest.mark.parametrize("chance", [1.0, -0.1, [0.5] * 3])
    def test_chances_that_are_none(self, chance):
        with pytest.raises(EvaluationError, match="chance has shape"):
            evaluate(EXPECTED, records(), chance=chance)

    def test_a_router_of_other_models(self, keyword_rows):
        with pytest.raises(EvaluationError, match="no model in common"):
            evaluate(Router.fit(keyword_rows[0]), records())

    def test_rows_without_text_cannot_be_routed(self, keyword_rows):
        train, test = keyword_rows
        bare = RecordSet(**test.as_dict() | {"queries": None})
        with pytest.raises(EvaluationError, match="keep no text"):
            evaluate(Router.fit(train), bare)

    def test_outcomes_of_other_records(self, report):
        other = RecordSet.from_rows([{"id": "x", "query": "x", "small": 1}])
        with pytest.raises(EvaluationError, match="4 of 4 outcomes are of other records"):
            evaluate(report.outcomes, other)

    def test_outcomes_check_themselves(self):
        with pytest.raises(EvaluationError) as caught:
            Outcomes(
                ids=("a",),
                queries=(None,),
                tasks=(None,),
                models=("m",),
                scores=np.ones((1, 2)),
                costs=np.ones((2, 1)),
                chosen=np.array([0]),
                single=np.array([0]),
            )
        assert len(caught.value.problems) == 2


class TestAsData:
    def test_the_dict_is_plain_json_the_verdict_first(self, report):
        made = report.to_dict()
        assert json.loads(json.dumps(made, allow_nan=False)) == made
        head = ("verdict", "verdict_text", "n", "quality", "cost", "best_single", "interval")
        assert tuple(made)[: len(head)] == head
        assert made["interval"]["estimate"] == 0.25
        assert made["best_single"]["name"] == "large"
        assert made["curve"]["points"][0]["cost_weight"] == 0.0
        assert "outcomes" not in made

    def test_what_cannot_be_had_is_null(self):
        made = evaluate(["small", "large", "small", "large"], records(), draws=20).to_dict()
        assert made["cost"] is None
        assert made["ratios"]["arena_score"] is None
        assert made["reliability"] is None

    def test_the_same_input_gives_the_same_report(self):
        one, other = (evaluate(EXPECTED, records(**PRICED), draws=50) for _ in range(2))
        assert one.to_dict() == other.to_dict()
        assert evaluate(EXPECTED, records(**PRICED), draws=50, seed=1).quality == one.quality

    def test_cautions_are_said_beside_the_verdict(self, report):
        # Four queries: the mixture is not shown to be beaten.
        assert report.cautions == (
            "not shown to be better than the Zero router: a random mixture of single models at "
            "the same cost may score at least as much",
        )
        assert report.cautions[0] in str(report).splitlines()
        assert report.to_dict()["cautions"] == list(report.cautions)
        one = evaluate(["large"] * 4, records(), train=TRAIN, draws=20)
        assert one.cautions == (
            "the router has collapsed: one model gets more than 95 % of the queries",
        )

    def test_the_text_starts_with_the_verdict(self, report):
        first, *rest = str(report).splitlines()
        assert first == str(report.verdict)
        assert any("best single model, chosen in training" in line for line in rest)
