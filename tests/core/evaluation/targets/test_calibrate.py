import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EvaluationError, UnknownModelError, UnpricedError
from knnrouter.estimators import KNN
from knnrouter.evaluation import Budget, Calibration, Quality, Share, calibrate
from knnrouter.policies import (
    Guarded,
    Reserved,
    ScoreMinusCost,
    Threshold,
    parse,
)
from knnrouter.records import Price

KINDS = 8
MODELS = ("small", "middle", "large")
COSTS = np.array([0.0002, 0.001, 0.004])
TRUTH = np.stack(
    [np.linspace(0.2, 0.8, KINDS), np.linspace(0.6, 0.7, KINDS), np.linspace(0.95, 0.85, KINDS)],
    axis=1,
)
"""What each model truly scores on average on each kind of query."""


EACH = [f"{kind} to come" for kind in range(KINDS)]
"""A query of each kind: all that the future holds, for kinds are drawn alike."""


def embed(texts):
    """The kind of a query is its first word; nothing else counts."""
    kinds = [text.split()[0] for text in texts]
    return np.eye(KINDS, dtype=np.float32)[[int(kind) if kind.isdigit() else 0 for kind in kinds]]


def records_of(count, seed, *, name="q", models=MODELS, costs=True):
    draws = np.random.default_rng(seed)
    kinds = draws.integers(KINDS, size=count)
    scores = (draws.random((count, len(MODELS))) < TRUTH[kinds]).astype(np.float32)
    spent = COSTS * draws.gamma(2.0, 0.5, size=(count, 1)) * (1 + kinds[:, None] / 4)
    places = [MODELS.index(model) for model in models]
    return RecordSet(
        ids=tuple(f"{name}{row}" for row in range(count)),
        queries=tuple(f"{kind} {name} {row}" for row, kind in enumerate(kinds)),
        models=models,
        scores=scores[:, places],
        costs=spent[:, places] if costs else None,
    )


def router_of(records, **pool):
    settings = {"k": 60, "weights": "uniform", "shrinkage": 1.0}
    models = pool.pop("models", None)
    given = models and ModelPool(models=models, router=pool)
    embedder = FunctionEmbedder(embed, dim=KINDS, id="kinds")
    return Router.fit(records, pool=given, embedder=embedder, estimator=KNN(**settings))


@pytest.fixture(scope="module")
def router():
    return router_of(records_of(600, 0, name="learned"))


@pytest.fixture(scope="module")
def traffic():
    return records_of(1000, 1)


def spent(router, texts, policy):
    """USD per 1,000 queries, as the router itself expects."""
    decisions = router.route_many(texts, policy=policy)
    return 1000 * sum(each.costs[each.model] for each in decisions) / len(decisions)


class TestRepeatedQueries:
    """A thousand calls with one text tell as much as one."""

    def test_a_share_is_as_sure_as_its_different_texts(self, router):
        texts = [f"{number % KINDS} text {number}" for number in range(80)]
        goal = Share(model="large", at_most=0.5)
        once = calibrate(router, texts, goal, seed=2)
        often = calibrate(router, texts * 25, goal, seed=2)
        assert (once.held_out, often.held_out) == (40, 1000)
        assert often.policy == once.policy
        share = once.figures["share"]
        assert share.high - share.low > 0.2
        assert often.figures["share"].estimate == share.estimate
        assert often.figures["share"].low == pytest.approx(share.low)
        assert often.figures["share"].high == pytest.approx(share.high)

    def test_large_sets_are_parted_as_evenly_as_can_be(self, router):
        texts = [f"{kind} text" for kind in (0, 1) for _ in range(30)] + ["2 text"]
        for seed in range(6):
            found = calibrate(router, texts, Budget(usd_per_1000=9.0), seed=seed)
            assert {found.used, found.held_out} == {30, 31}

    def test_few_different_queries_are_few(self, router):
        texts = [f"{kind} text" for kind in range(KINDS)] * 100
        found = calibrate(router, texts, Budget(usd_per_1000=2.0))
        assert found.held_out == 400
        assert any(note.startswith("only 4 different queries were held") for note in found.notes)


class TestBudget:
    @pytest.mark.parametrize("usd", [0.5, 1.0, 3.0])
    def test_the_part_that_it_was_chosen_on_keeps_to_it(self, router, traffic, usd):
        found = calibrate(router, traffic.queries, Budget(usd_per_1000=usd), holdout=0)
        assert isinstance(found.policy, ScoreMinusCost)
        assert found.spec == f"score_minus_cost:cost_weight={found.policy.cost_weight:.12g}"
        assert spent(router, traffic.queries, found.policy) <= usd
        lower = ScoreMinusCost(cost_weight=found.policy.cost_weight * 0.999)
        assert spent(router, traffic.queries, lower) > usd
        assert (found.used, found.held_out, dict(found.figures)) == (1000, 0, {})

    def test_figures_are_of_the_queries_held_out(self, router, traffic):
        found = calibrate(router, traffic, Budget(usd_per_1000=1.0), holdout=0.25, seed=3)
        assert (found.used, found.held_out) == (750, 250)
        changed = [
            calibrate(router, other, Budget(usd_per_1000=1.0), holdout=0.25, seed=3)
            for other in (traffic.queries, shuffled_scores(traffic))
        ]
        assert {each.policy for each in changed} == {found.policy}
        assert changed[0].figures["usd_per_1000"] == found.figures["usd_per_1000"]
        assert set(changed[0].figures) == {"usd_per_1000", "best_score_usd_per_1000"}
        assert set(found.figures) - set(changed[0].figures) == {
            *("measured_usd_per_1000", "quality", "of_best")
        }
        assert sum(found.shares.values()) == pytest.approx(1)

    def test_the_figures_equal_those_of_routing_the_rest(self, router, traffic):
        found = calibrate(router, traffic, Budget(usd_per_1000=1.0), holdout=0.5)
        whole = calibrate(router, traffic, Budget(usd_per_1000=1.0), holdout=0.5, confidence=0.5)
        assert whole.figures["quality"].low > found.figures["quality"].low
        held = held_out_rows(router, traffic, found)
        decisions = router.route_many([traffic.queries[row] for row in held], policy=found.policy)
        columns = [MODELS.index(each.model) for each in decisions]
        scores, costs = traffic.scores[held, columns], traffic.costs[held, columns]
        expected = [each.costs[each.model] for each in decisions]
        estimates = {name: value.estimate for name, value in found.figures.items()}
        assert estimates["quality"] == pytest.approx(scores.mean())
        assert estimates["measured_usd_per_1000"] == pytest.approx(1000 * costs.mean())
        assert estimates["usd_per_1000"] == pytest.approx(1000 * np.mean(expected))
        assert estimates["of_best"] == pytest.approx(scores.mean() / traffic.scores[held, 2].mean())
        assert found.shares["large"] == pytest.approx(np.mean(np.array(columns) == 2))

    def test_what_is_above_all_needs_no_weight(self, router, traffic):
        found = calibrate(router, traffic.queries, Budget(usd_per_1000=1000))
        assert found.policy == ScoreMinusCost(cost_weight=0)
        assert "costs need no weight" in found.notes[0]

    def test_what_is_below_all_is_refused(self, router, traffic):
        with pytest.raises(EvaluationError, match="the cheapest choices are expected to cost") as e:
            calibrate(router, traffic.queries, Budget(usd_per_1000=0.01), holdout=0)
        least = float(str(e.value).partition("expected to cost $")[2].partition(" ")[0])
        assert calibrate(router, traffic.queries, Budget(usd_per_1000=least * 1.0001), holdout=0)

    def test_measured_costs_above_the_budget_are_told(self, router, traffic):
        dear = replace(traffic, costs=3 * traffic.costs)
        (note, other) = calibrate(router, dear, Budget(usd_per_1000=1.0)).notes
        assert "the expected costs are too low for this traffic" in note
        assert other.startswith("measured_usd_per_1000 on the queries held out is above the goal")
        assert calibrate(router, traffic, Budget(usd_per_1000=1.0)).notes == ()

    def test_without_costs_it_cannot_be(self, traffic):
        bare = router_of(records_of(100, 0, costs=False))
        with pytest.raises(UnpricedError, match="small, middle, large"):
            calibrate(bare, traffic.queries, Budget(usd_per_1000=1))

    def test_intervals_cover_what_will_be_spent(self, router):
        """The true spending of the policy found, against 60 intervals at 90 %."""
        inside, runs = 0, 60
        for seed in range(runs):
            part = records_of(120, 1000 + seed).queries
            found = calibrate(router, part, Budget(usd_per_1000=1.0), confidence=0.9, seed=seed)
            true = spent(router, EACH, found.policy)
            inside += not found.figures["usd_per_1000"].excludes(true)
        assert 0.8 * runs <= inside < runs


def held_out_rows(router, traffic, found):
    """The rows that the figures are of: the first in an order drawn by seed 0."""
    order = np.random.default_rng(0).permutation(len(traffic))
    return np.sort(order[: found.held_out])


def shuffled_scores(records):
    order = np.random.default_rng(5).permutation(len(records))
    return replace(records, scores=records.scores[order], costs=records.costs[order])


class TestShare:
    def test_of_three_models_one_is_reserved(self, router, traffic):
        goal = Share(model="large", at_most=0.3)
        found = calibrate(router, traffic.queries, goal, holdout=0.5)
        assert isinstance(found.policy, Reserved)
        assert found.policy.margin > 0
        decisions = router.route_many(traffic.queries, policy=found.policy)
        assert np.mean([each.model == "large" for each in decisions]) <= 0.36
        assert found.figures["share"].estimate == found.shares["large"]
        assert found.figures["share"].low < 0.3

    def test_of_two_it_is_routellms_threshold(self):
        router = router_of(records_of(600, 0, models=("small", "large")))
        texts = records_of(400, 1, name="asked").queries
        found = calibrate(router, texts, Share(model="large", at_most=0.4), holdout=0)
        assert isinstance(found.policy, Threshold)
        decisions = router.route_many(texts, policy=found.policy)
        strong = np.mean([each.model == "large" for each in decisions])
        assert strong <= 0.4
        rates = np.array([(1 + e.scores["large"] - e.scores["small"]) / 2 for e in decisions])
        above = np.unique(rates[rates > found.policy.threshold])
        below = rates[rates < found.policy.threshold].max()
        assert found.policy.threshold == pytest.approx((below + above.min()) / 2)  # kinds tie
        assert np.mean(rates >= below) > 0.4

    def test_the_inner_policy_stays_the_routers_own(self, traffic):
        models = [ModelSpec(name=name) for name in MODELS]
        weighing = router_of(
            records_of(600, 0), models=models, policy="score_minus_cost:cost_weight=90"
        )
        found = calibrate(weighing, traffic.queries, Share(model="large", at_most=0.2))
        assert found.policy.policy == ScoreMinusCost(cost_weight=90)
        assert parse(found.spec) == found.policy

    def test_it_needs_no_costs(self, traffic):
        bare = router_of(records_of(300, 0, costs=False))
        found = calibrate(bare, traffic.queries, Share(model="large", at_most=0.3))
        assert set(found.figures) == {"share"}

    def test_a_share_that_does_not_bind_is_told(self, router, traffic):
        found = calibrate(router, traffic.queries, Share(model="small", at_most=0.9))
        assert found.policy.margin == 0
        assert found.notes == (
            "small is expected to lead on no more than 90 % of the queries, so it may answer "
            "wherever it does",
        )

    def test_guards_count(self, traffic):
        """Half of the kinds are unlike all records, and the fallback answers them."""
        learned = records_of(600, 0)
        known = [row for row, text in enumerate(learned.queries) if int(text[0]) < KINDS // 2]
        models = [ModelSpec(name=name) for name in MODELS]
        guarded = router_of(
            learned.select(known), models=models, default="large", min_similarity=0.5
        )
        with pytest.raises(EvaluationError, match=r"large answers 0\.\d+ of the queries whatever"):
            calibrate(guarded, traffic.queries, Share(model="large", at_most=0.3))
        found = calibrate(guarded, traffic.queries, Share(model="large", at_most=0.6), holdout=0)
        decisions = guarded.route_many(traffic.queries, policy=found.policy)
        part = np.mean([each.model == "large" for each in decisions])
        assert 0.48 < part <= 0.6

    def test_an_unknown_or_disabled_model(self, router, traffic):
        with pytest.raises(UnknownModelError, match="huge"):
            calibrate(router, traffic.queries, Share(model="huge", at_most=0.3))
        models = [ModelSpec(name=name, enabled=name != "large") for name in MODELS]
        off = router_of(records_of(100, 0), models=models)
        with pytest.raises(EvaluationError, match="large is not enabled in the pool"):
            calibrate(off, traffic.queries, Share(model="large", at_most=0.3))

    def test_intervals_cover_the_true_share(self, router):
        inside, runs = 0, 60
        for seed in range(runs):
            part = records_of(100, 2000 + seed).queries
            goal = Share(model="large", at_most=0.4)
            found = calibrate(router, part, goal, confidence=0.9, seed=seed)
            decisions = router.route_many(EACH, policy=found.policy)
            true = np.mean([each.model == "large" for each in decisions])
            inside += not found.figures["share"].excludes(true)
        assert 0.8 * runs <= inside < runs


class TestQuality:
    def test_it_saves_and_keeps_the_quality(self, router):
        traffic = records_of(4000, 7)
        found = calibrate(router, traffic, Quality(of_best=0.9))
        assert found.policy.cost_weight > 0
        figures = found.figures
        assert figures["usd_per_1000"].high < figures["best_score_usd_per_1000"].low
        assert figures["of_best"].high > 0.9
        columns = [
            MODELS.index(router.route(f"{kind} x", policy=found.policy).model)
            for kind in range(KINDS)
        ]
        true = TRUTH[np.arange(KINDS), columns].mean() / TRUTH[:, 2].mean()
        assert true >= 0.9
        assert found.notes[-1].startswith("promised against large, the best single model by")

    def test_labels_held_out_have_no_say(self, router):
        traffic = records_of(3000, 7)
        found = calibrate(router, traffic, Quality(of_best=0.9))
        held = held_out_rows(router, traffic, found)
        scores = traffic.scores.copy()
        scores[held] = 1 - scores[held]
        other = calibrate(router, replace(traffic, scores=scores), Quality(of_best=0.9))
        assert other.policy == found.policy
        assert other.figures["quality"].estimate < 0.5 < found.figures["quality"].estimate

    def test_what_the_router_learned_from_is_left_out(self):
        learned = records_of(600, 0)
        router = router_of(learned)
        with pytest.raises(EvaluationError, match="600 of 600 queries stand in the router's own"):
            calibrate(router, learned, Quality(of_best=0.9))
        both = RecordSet.concat([learned, records_of(3000, 1, name="new")])
        found = calibrate(router, both, Quality(of_best=0.9))
        assert found.used + found.held_out == 3000
        assert found.notes[0] == (
            "600 of 3,600 queries stand in the router's own records and were left out"
        )
        told = calibrate(router, both.queries, Budget(usd_per_1000=1)).notes
        assert told == (
            "600 of 3,600 queries stand in the router's own records, which it knows better than "
            "new ones",
        )

    def test_where_the_text_is_not_kept_that_is_told(self, tmp_path):
        router = router_of(records_of(600, 0))
        router.save(tmp_path / "router", keep_queries=False)
        bare = Router.load(tmp_path / "router", embedder=router.embedder)
        notes = calibrate(bare, records_of(3000, 1), Quality(of_best=0.9)).notes
        assert "it cannot be seen whether it learned from these queries" in notes[0]

    def test_unmeasured_cells_leave_out_their_rows(self, router):
        traffic = records_of(3000, 7)
        scores = traffic.scores.copy()
        scores[:300, 2] = np.nan
        found = calibrate(router, replace(traffic, scores=scores), Quality(of_best=0.9))
        assert found.used + found.held_out == 2700
        assert found.notes[0].startswith("300 of 3,000 queries were left out, on which a model")

    def test_without_costs_nothing_can_be_saved(self, traffic):
        bare = router_of(records_of(100, 0, name="x", costs=False))
        with pytest.raises(EvaluationError, match="nothing can be saved by giving up quality"):
            calibrate(bare, traffic, Quality(of_best=0.9))

    def test_texts_alone_promise_nothing(self, router, traffic):
        with pytest.raises(EvaluationError, match="measured at all are none of small, middle"):
            calibrate(router, traffic.queries, Quality(of_best=0.9))
        other = replace(traffic, models=("x", "y", "z"))
        with pytest.raises(EvaluationError, match="measured at all are none"):
            calibrate(router, other, Quality(of_best=0.9))

    def test_few_queries_are_refused(self, router):
        with pytest.raises(EvaluationError, match="20 labeled queries cannot promise it"):
            calibrate(router, records_of(40, 3), Quality(of_best=0.98))


class TestAnyGoal:
    def test_guards_are_kept_in_the_policy(self, traffic):
        models = [ModelSpec(name=name) for name in MODELS]
        guard = "guarded:policy=best_score,min_similarity=0.5,fallback=small"
        guarded = router_of(records_of(600, 0), models=models, policy=guard)
        found = calibrate(guarded, traffic.queries, Budget(usd_per_1000=1))
        assert isinstance(found.policy, Guarded)
        assert isinstance(found.policy.policy, ScoreMinusCost)
        assert parse(found.spec) == found.policy

    def test_the_yaml_states_the_policy(self, router, traffic):
        for goal in (Budget(usd_per_1000=1), Share(model="large", at_most=0.2)):
            found = calibrate(router, traffic.queries, goal)
            models = ", ".join(f"{{name: {name}}}" for name in MODELS)
            pool = ModelPool.from_text(f"version: 1\n{found.yaml}\nmodels: [{models}]\n")
            assert parse(pool.router.policy) == found.policy

    def test_to_dict_is_json(self, router, traffic):
        found = calibrate(router, traffic, Share(model="large", at_most=0.2))
        given = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert list(given) == [
            *("goal", "policy", "yaml", "used", "held_out", "figures", "shares", "confidence"),
            "notes",
        ]
        assert given["goal"] == {"kind": "share", "model": "large", "at_most": 0.2}
        assert given["policy"] == found.spec
        assert set(given["figures"]["share"]) == {"estimate", "low", "high"}

    def test_the_same_seed_gives_the_same(self, router, traffic):
        goal = Budget(usd_per_1000=1)
        one, two, other = (calibrate(router, traffic, goal, seed=seed) for seed in (1, 1, 2))
        assert one.to_dict() == two.to_dict() != other.to_dict()

    def test_copies_of_a_text_stay_on_one_side(self, router):
        texts = [f"{row % KINDS} copy {row % 40}" for row in range(400)]
        found = calibrate(router, texts, Budget(usd_per_1000=1), holdout=0.5)
        assert found.held_out == 200  # 20 of the 40 texts, ten times each
        with pytest.raises(EvaluationError, match=r"one text or group \(50 times\), so none"):
            calibrate(router, ["1 same"] * 50, Budget(usd_per_1000=1))

    def test_few_to_choose_on_are_told(self, router, traffic):
        for goal in (Budget(usd_per_1000=1), Share(model="large", at_most=0.3)):
            found = calibrate(router, traffic.queries, goal, holdout=0.99)
            assert any("chosen on only 10 different queries" in note for note in found.notes)
            found = calibrate(router, traffic.queries, goal, holdout=0.97)
            assert not any("chosen on only" in note for note in found.notes)

    def test_few_held_out_are_told(self, router, traffic):
        found = calibrate(router, traffic.queries[:20], Budget(usd_per_1000=1))
        assert "only 10 different queries were held out" in found.notes[-1]

    def test_one_model(self, traffic):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = router_of(records_of(100, 0), models=[ModelSpec(name="large")])
        assert calibrate(alone, traffic.queries, Budget(usd_per_1000=100)).shares == {"large": 1.0}
        with pytest.raises(EvaluationError, match="the cheapest choices"):
            calibrate(alone, traffic.queries, Budget(usd_per_1000=1))
        with pytest.raises(EvaluationError, match="large answers 1 of the queries"):
            calibrate(alone, traffic.queries, Share(model="large", at_most=0.5))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"holdout": 1.0}, "holdout is 1.0; give a number of at least 0 and below 1"),
            ({"confidence": 0.1}, "confidence is 0.1; give a number of at least 0.5 and below 1"),
        ],
    )
    def test_options_out_of_range(self, router, options, message):
        with pytest.raises(EvaluationError, match=message):
            calibrate(router, ["1 a", "2 b"], Budget(usd_per_1000=1), **options)

    def test_traffic_of_another_kind(self, router):
        goal = Budget(usd_per_1000=1)
        with pytest.raises(TypeError, match="give a list of texts, or records"):
            calibrate(router, "1 text", goal)
        with pytest.raises(TypeError, match="a query is 5, of type int"):
            calibrate(router, ["1 a", 5], goal)
        with pytest.raises(TypeError, match="goal is 2"):
            calibrate(router, ["1 a"], 2)
        with pytest.raises(EvaluationError, match="there are no queries"):
            calibrate(router, [], goal)
        bare = replace(records_of(5, 0), queries=None)
        with pytest.raises(EvaluationError, match="5 of 5 records keep no text"):
            calibrate(router, bare, goal)

    def test_prices_of_a_pool(self, traffic):
        """Costs follow from prices: a hundred times the price, a hundredth of the weight."""
        weights = []
        for factor in (1, 100):
            models = [
                ModelSpec(
                    name=name,
                    price=Price(factor * (place + 1), factor * (place + 1)),
                    expected_output_tokens=100,
                )
                for place, name in enumerate(MODELS)
            ]
            priced = router_of(records_of(600, 0, costs=False), models=models)
            goal = Budget(usd_per_1000=0.2 * factor)
            weights.append(calibrate(priced, traffic.queries, goal).policy.cost_weight)
        assert weights[0] == pytest.approx(100 * weights[1], rel=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Budget(usd_per_1000=-1), "usd_per_1000 is -1; give a number of at least 0"),
        (lambda: Budget(usd_per_1000=float("nan")), "usd_per_1000 is nan"),
        (lambda: Budget(usd_per_1000="2"), "usd_per_1000 is '2'"),
        (lambda: Share(model="a", at_most=0), "set `enabled: false` for the model"),
        (
            lambda: Share(model="a", at_most=1.5),
            "at_most is 1.5; give a number above 0 and at most 1",
        ),
        (lambda: Quality(of_best=98), "of_best is 98; give a number above 0 and at most 1"),
        (lambda: Quality(of_best=0.9, confidence=1.0), "confidence is 1.0"),
    ],
)
def test_goals_out_of_range(make, message):
    with pytest.raises(EvaluationError) as caught:
        make()
    assert message in str(caught.value)


def test_a_calibration_without_figures_is_one_line():
    found = Calibration(
        goal=Budget(usd_per_1000=2),
        policy=ScoreMinusCost(cost_weight=1),
        used=5,
        held_out=0,
        figures={},
        shares={},
        confidence=0.95,
        notes=("a word",),
    )
    assert (
        str(found) == "at most $2 per 1,000 queries: score_minus_cost:cost_weight=1\nnote: a word"
    )
