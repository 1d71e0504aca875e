"""What the literature reports as going wrong with routers, each made to happen on known truth.

Queries are such as "sums 7 at 0.9": their vector points to the direction of their subject as far
as the last number says, and elsewhere, a direction of their own, for the rest. Every score is drawn
from a rate that the test names, so that each test knows what should come out.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EvaluationWarning
from knnrouter.estimators import KNN
from knnrouter.evaluation import (
    apgr,
    by_folds,
    evaluate,
    lint,
    query_oracle,
    robustness,
    strong_fraction_curve,
)
from knnrouter.policies import BestScore, Guarded, ScoreMinusCost
from knnrouter.pool import Price

SUBJECTS = ("sums", "verse", "law")
DIM = 24


def vector(text):
    """Of texts such as "sums 7 at 0.9"."""
    subject, number, _, near = text.split()
    place = SUBJECTS.index(subject)
    elsewhere = np.random.default_rng([place, int(number)]).normal(size=DIM)
    elsewhere[: len(SUBJECTS)] = 0.0
    row = math.sqrt(1 - float(near) ** 2) * elsewhere / np.linalg.norm(elsewhere)
    row[place] = float(near)
    return row


EMBEDDER = FunctionEmbedder(lambda texts: [vector(text) for text in texts], DIM, "subjects-24")
UNSUITED = FunctionEmbedder(
    lambda texts: [vector(text.split(" at ")[0] + " at 0.0") for text in texts], DIM, "lost-24"
)


def drawn(rates, each, *, first=0, near=0.95, seed=0, named=True, cost=None):
    """So many queries of each subject; `rates` has by subject how often each model is right."""
    random = np.random.default_rng(seed)
    return RecordSet.from_rows(
        {"query": f"{subject} {number} at {near}"}
        | {model: float(random.random() < rate) for model, rate in by_model.items()}
        | ({"task": subject} if named else {})
        | {f"{model}|cost": usd for model, usd in (cost or {}).items()}
        for subject, by_model in rates.items()
        for number in range(first, first + each)
    )


def fitted(records, *, k=30, shrinkage=0.0, embedder=EMBEDDER, **settings):
    """A router by the plain vote of `k` neighbors, unless shrunk."""
    vote = KNN(k=k, weights="uniform", shrinkage=shrinkage)
    return Router.fit(records, embedder=embedder, estimator=vote, **settings)


def reference(report, name):
    return next(each for each in report.references if each.name == name)


SPECIALISTS = {
    "sums": {"one": 0.9, "two": 0.3, "fair": 0.7},
    "verse": {"one": 0.3, "two": 0.9, "fair": 0.7},
}
"""Routing reaches 0.9, the best single model 0.7."""

HARD_AND_EASY = {"sums": {"weak": 0.1, "strong": 0.9}, "verse": {"weak": 0.9, "strong": 0.9}}
"""The strong model is worth its price on sums alone."""


class TestChoosing:
    @pytest.mark.parametrize("turned", [False, True])
    def test_ties_of_five_neighbors_go_by_mean_then_cost_then_order(self, turned):
        """Of five neighbors there are six estimates, so most choices are ties (Shnitzer et al.)."""
        rows = [
            {"query": f"sums {number} at 0.9", "a": tie, "b": tie, "c": tie, "d": tie}
            for number, tie in enumerate((1, 1, 1, 0, 0))
        ]
        # Far away `d` alone is worse: the means are 0.6, but for its 0.5.
        rows += [
            {
                "query": f"verse {number} at 0.9",
                "a": tie,
                "b": tie,
                "c": tie,
                "d": tie * (number > 0),
            }
            for number, tie in enumerate((1, 1, 1, 0, 0))
        ]
        names = ["d", "c", "b", "a"] if turned else ["a", "b", "c", "d"]
        price = {"a": 2.0, "b": 1.0, "c": 1.0, "d": 0.1}
        rows = [each | {f"{name}|cost": price[name] for name in names} for each in rows]
        pool = ModelPool(models=[ModelSpec(name=name) for name in names])
        router = fitted(RecordSet.from_rows(rows), k=5, pool=pool)
        decision = router.route("sums 99 at 0.9")
        assert decision.scores == dict.fromkeys(names, pytest.approx(0.6))
        wanted = ("c", "b", "a", "d") if turned else ("b", "c", "a", "d")
        assert decision.ranking == wanted

    def test_one_neighbor_is_worse_than_fifty_on_noisy_labels(self):
        """Small k loses to the best single model, a large one wins (RouterEval, RouterDC, Li)."""
        rates = {
            "sums": {"one": 0.85, "dud": 0.4, "best": 0.7},
            "verse": {"one": 0.4, "dud": 0.4, "best": 0.7},
        }
        train, test = drawn(rates, 300), drawn(rates, 300, first=300, seed=1)
        reports = {k: evaluate(fitted(train, k=k), test, draws=20) for k in (1, 5, 50)}
        quality = {k: report.quality.estimate for k, report in reports.items()}
        assert reports[1].best_single.name == "best"
        assert quality[1] < reports[1].best_single.quality < quality[50]
        assert quality[1] < quality[5] < quality[50]
        assert quality[50] == pytest.approx((0.85 + 0.7) / 2, abs=0.03)

    def test_all_neighbors_are_the_best_on_average(self):
        """With k = n a vote knows no query from another: it is the best single model."""
        train = drawn(SPECIALISTS, 100)
        test = drawn(SPECIALISTS, 100, first=100, seed=1)
        report = evaluate(fitted(train, k=len(train)), test, draws=20)
        assert report.best_single.name == "fair"
        assert report.behavior.shares == {"one": 0.0, "two": 0.0, "fair": 1.0}
        assert report.quality.estimate == report.best_single.quality
        assert report.verdict.quality.estimate == 0.0
        means = dict(zip(train.models, train.scores.mean(axis=0).tolist(), strict=True))
        (decision,) = fitted(train, k=len(train)).route_many(["law 1 at 0.5"])
        assert decision.scores == {name: pytest.approx(mean) for name, mean in means.items()}

    def test_shrinkage_makes_two_draws_of_the_labels_agree(self):
        """Per cluster, the best model of train and of test agree in 11 of 50 (Srivatsa et al.)."""
        alike = {"sums": {"one": 0.5, "two": 0.5, "three": 0.5, "best": 0.56}}
        queries = drawn(alike, 100, first=900).queries

        def agreement(shrinkage):
            made = [
                fitted(drawn(alike, 400, seed=seed), k=10, shrinkage=shrinkage).route_many(queries)
                for seed in (3, 4)
            ]
            return np.mean([one.model == two.model for one, two in zip(*made, strict=True)])

        assert agreement(0.0) < 0.6
        assert agreement(1024.0) > 0.9


class TestLeakage:
    def test_the_best_single_model_is_that_of_train(self):
        """A best model that is chosen with the test task is too good a rival (Shnitzer's code)."""
        train = drawn({"sums": {"one": 0.9, "two": 0.1}}, 50)
        test = drawn({"sums": {"one": 0.1, "two": 0.9}}, 50, first=50, seed=1)
        report = evaluate(fitted(train), test, draws=20)
        assert (report.basis, report.best_single.name) == ("train", "one")
        assert report.best_single.quality == pytest.approx(test.scores[:, 0].mean())
        assert report.best_single.quality < 0.3
        hindsight = reference(report, "best single model, in hindsight")
        assert hindsight.quality == pytest.approx(test.scores[:, 1].mean())
        assert hindsight.quality > 0.7

    def test_the_scores_of_a_fold_do_not_reach_its_choices(self):
        """Whoever fits on what is tested, be it clusters or means, measures memory."""
        records = drawn(SPECIALISTS, 60)
        vote = KNN(k=20, weights="uniform", shrinkage=16.0)
        plain = by_folds(records, 3, embedder=EMBEDDER, estimator=vote)
        third = len(plain) // 3
        assert plain.ids != tuple(records.ids)  # the folds stand one after another
        turned = [records.ids.index(name) for name in plain.ids[:third]]
        scores = records.scores.copy()
        scores[turned] = 1.0 - scores[turned]
        again = by_folds(replace(records, scores=scores), 3, embedder=EMBEDDER, estimator=vote)
        assert again.ids == plain.ids
        assert again.chosen[:third].tolist() == plain.chosen[:third].tolist()
        assert again.single[:third].tolist() == plain.single[:third].tolist()
        assert again.estimated_scores[:third].tolist() == plain.estimated_scores[:third].tolist()
        assert again.estimated_scores[third:].tolist() != plain.estimated_scores[third:].tolist()

    def test_a_decision_does_not_depend_on_the_other_queries(self):
        """TF-IDF and clusters were fitted on test queries too (Srivatsa's code)."""
        router = fitted(drawn(SPECIALISTS, 60))
        queries = drawn(SPECIALISTS, 20, first=60).queries
        others = [f"law {number} at 0.9" for number in range(200)]
        alone = [each.scores for each in router.route_many(queries)]
        among = [each.scores for each in router.route_many([*others, *queries])]
        assert among[200:] == alone

    def test_a_model_trained_on_the_train_file_takes_the_router_in(self):
        """Metamath scores 0.94 on GSM8K's train set and 0.67 on its test set; a clustering router
        took it everywhere, and ended as far below gemma-7b (Srivatsa et al., RouterDC)."""
        honest = {"sums": {"meta": 0.5, "gemma": 0.7}, "verse": {"meta": 0.5, "gemma": 0.7}}
        inflated = {subject: rates | {"meta": 0.94} for subject, rates in honest.items()}
        train = drawn(inflated, 150, named=False)
        validation = drawn(honest, 150, first=150, seed=1, named=False)
        test = drawn(honest, 150, first=300, seed=2)
        fooled = evaluate(fitted(train), test, draws=200)
        assert fooled.behavior.collapsed
        meta, gemma = test.scores.mean(axis=0, dtype=np.float64).tolist()
        assert fooled.behavior.shares["meta"] > 0.95
        assert fooled.quality.estimate == pytest.approx(meta, abs=0.01)
        assert fooled.quality.estimate < 0.6
        codes = {
            each.code: each.value for each in lint(train, validation, embedder=EMBEDDER).findings
        }
        gap = float(train.scores[:, 0].mean() - validation.scores[:, 0].mean())
        assert list(codes["inflated_train_scores"]) == ["meta"]
        assert codes["inflated_train_scores"]["meta"] == pytest.approx(gap)
        held_out = evaluate(fitted(validation, k=100), test, draws=200)
        assert held_out.quality.estimate == gemma > 0.65


class TestTwoModels:
    def test_a_random_router_has_an_apgr_of_one_half(self):
        """The mean over ten thresholds, RouteLLM's formula, gives a random router 0.55."""
        test = drawn(HARD_AND_EASY, 200)
        random = np.random.default_rng(0)
        reports = [
            evaluate(random.random((400, 2)), test, pair=("strong", "weak"), draws=20)
            for _ in range(25)
        ]
        found = [report.pair.apgr for report in reports]
        error = np.std(found) / 5
        assert np.mean(found) == pytest.approx(0.5, abs=3 * error)
        assert 0.5 + 3 * error < 0.55
        pair = reports[0].pair
        by_ten = np.mean(pair.quality[1:])
        gap = pair.quality[-1] - pair.quality[0]
        assert (by_ten - pair.quality[0]) / gap == pytest.approx(pair.apgr + 0.05)

    @pytest.mark.parametrize(("always", "recovered"), [((0, 1), 1.0), ((1, 0), 0.0)])
    def test_always_the_one_recovers_all_and_always_the_other_nothing(self, always, recovered):
        test = drawn(HARD_AND_EASY, 50)
        report = evaluate(np.tile(always, (100, 1)), test, pair=("strong", "weak"), draws=20)
        assert report.pair.pgr == pytest.approx(recovered)
        assert report.behavior.collapsed

    def test_a_curve_that_dips_reaches_its_target_the_first_time(self):
        """`np.interp` wants a rising curve; on one that dips it answers anything (RouteLLM)."""
        # By falling preference the strong model wins, loses, wins and wins: of a gap of two
        # wins, 0, 1/2, 0, 1/2 and 1 are recovered.
        weak, strong = [0, 1, 0, 0], [1, 0, 1, 1]
        rows = [
            {"query": f"sums {row} at 1", "weak": low, "strong": high}
            for row, (low, high) in enumerate(zip(weak, strong, strict=True))
        ]
        expected = np.array([[0.0, 0.9], [0.0, 0.6], [0.0, 0.3], [0.0, 0.1]])
        pair = evaluate(expected, RecordSet.from_rows(rows), pair=("strong", "weak"), draws=20).pair
        heights = (np.array(pair.quality) - 0.25) / 0.5
        assert min(np.diff(heights)) < 0
        assert pair.cpt == {20: 0.1, 50: 0.25, 80: pytest.approx(0.9), 95: pytest.approx(0.975)}
        assert np.interp(0.5, heights, pair.shares) == pytest.approx(0.75)

    def test_equally_good_models_leave_no_gap(self):
        """The denominator of PGR is 0 where the strong model is no better than the weak one."""
        alike = np.array([0.0, 1.0, 1.0, 0.0])
        rows = [
            {"query": f"sums {row} at 1", "weak": low, "strong": 1 - low}
            for row, low in enumerate(alike.tolist())
        ]
        with pytest.warns(EvaluationWarning) as told:
            report = evaluate(
                np.random.default_rng(0).random((4, 2)),
                RecordSet.from_rows(rows),
                pair=("strong", "weak"),
                draws=20,
            )
        assert any("both models score 0.5; it is NaN" in str(each.message) for each in told)
        assert math.isnan(report.pair.pgr)
        assert math.isnan(report.pair.apgr)
        assert all(math.isnan(value) for value in report.pair.cpt.values())

    def test_a_constant_preference_is_a_straight_line(self):
        """`qcut` fails on the duplicate thresholds of tied preferences (RouteLLM)."""
        test = drawn(HARD_AND_EASY, 50)
        with pytest.warns(EvaluationWarning) as told:
            report = evaluate(np.full((100, 2), 0.4), test, pair=("strong", "weak"), draws=20)
        assert all("correlation" in str(each.message) for each in told)  # there is none
        assert report.pair.apgr == pytest.approx(0.5)
        assert report.pair.cpt == {each: pytest.approx(each / 100) for each in (20, 50, 80, 95)}
        low, high = test.scores[:, 0], test.scores[:, 1]
        few = strong_fraction_curve([0.0] * 90 + [1.0] * 10, low, high)
        assert set(few.shares.tolist()) == {0.0, 0.1, 1.0}
        assert 0.0 < apgr(few) < 0.6


class TestFarFromTheEvidence:
    """Routers trained on Arena were random or worse on MMLU (RouteLLM)."""

    NEAR = (0.95, 0.7, 0.5, 0.3, 0.0)

    @pytest.fixture
    def router(self):
        return fitted(drawn(HARD_AND_EASY, 200), k=30)

    def at(self, near):
        return drawn(HARD_AND_EASY, 200, first=500, near=near, seed=5)

    def test_what_routing_wins_falls_with_similarity(self, router):
        reports = [
            evaluate(router, self.at(near), pair=("strong", "weak"), draws=20) for near in self.NEAR
        ]
        won = [report.pair.apgr for report in reports]
        similar = [float(report.outcomes.similarity.mean()) for report in reports]
        assert won[0] > 0.7
        assert won[-1] == pytest.approx(0.5, abs=0.1)
        assert similar == sorted(similar, reverse=True)
        assert np.corrcoef(similar, won)[0, 1] > 0.5

    def test_similarity_tells_and_a_guard_acts(self):
        """Where all that the router knows is elsewhere, it loses to the best single model."""
        known = {"sums": {"one": 0.9, "two": 0.5}, "verse": {"one": 0.6, "two": 0.9}}
        router = fitted(drawn(known, 200), k=5)
        far = drawn({"law": {"one": 0.9, "two": 0.2}}, 200, near=0.0)
        near = drawn(known, 100, first=500, seed=5)
        lost = evaluate(router, far, draws=200)
        assert lost.best_single.name == "one"
        assert 0.2 < lost.behavior.shares["two"] < 0.5
        assert lost.verdict.quality.high < -0.1
        policy = Guarded(policy=BestScore(), min_similarity=0.8, fallback="one")
        guarded = evaluate(router, far, policy=policy, draws=20)
        assert guarded.behavior.shares == {"one": 1.0, "two": 0.0}
        assert guarded.quality.estimate == guarded.best_single.quality
        assert max(each.high for each in guarded.by_similarity) < 0.8
        inside = evaluate(router, near, policy=policy, draws=20)
        assert min(each.low for each in inside.by_similarity) > 0.8
        plain = evaluate(router, near, draws=20)
        assert inside.outcomes.chosen.tolist() == plain.outcomes.chosen.tolist()
        assert plain.verdict.quality.estimate > 0.05


class TestWhatRoutingCannotHave:
    def test_a_collapsed_router_is_the_model_that_it_became(self):
        """A router that asks one model for everything is not routing (Srivatsa et al.)."""
        rates = {"sums": {"one": 0.9, "two": 0.2}, "verse": {"one": 0.8, "two": 0.3}}
        test = drawn(rates, 80, first=80, seed=1)
        report = evaluate(fitted(drawn(rates, 80)), test, draws=50)
        assert report.behavior.collapsed
        assert report.behavior.entropy == 0.0
        assert report.quality.estimate == report.best_single.quality
        assert report.verdict.quality.estimate == 0.0
        assert report.verdict.answer == "does not pay"
        assert "every query goes to one, the best single model" in report.verdict.text
        assert "the router has collapsed: one model gets more than 95 %" in str(report)

    def test_a_router_may_save_and_be_below_the_mixture(self):
        """A router is worth nothing where random draws among single models beat it at its cost: the
        Zero router is the bar (RouterBench). It may save against the best single model all the
        same, so that the two figures must be read together."""
        usd = {"small|cost": 0.001, "large|cost": 0.01}
        # On 40 of 4,000 queries one of the two fails, 20 each, and the router takes that one.
        rows = [
            {"query": f"sums {row} at 1", "small": row % 200 != 0, "large": row % 200 != 1} | usd
            for row in range(4000)
        ]
        names = ["small", "large"] * 2000
        train = RecordSet.from_rows([{"query": "sums 5000 at 1", "small": 0, "large": 1}])
        report = evaluate(names, RecordSet.from_rows(rows), train=train, draws=400)
        assert report.best_single.name == "large"
        assert report.verdict.quality.estimate == pytest.approx(-0.005)
        assert report.verdict.cost.estimate == pytest.approx(-0.0045)
        assert report.verdict.answer == "pays"
        # The small model alone reaches 0.995 for a fifth of the cost.
        assert report.against_mixture.estimate == pytest.approx(-0.005)
        assert report.against_mixture.high < 0.0
        assert f"models at the same cost: {report.against_mixture}" in str(report)
        assert report.cautions == (
            "no better than the Zero router: a random mixture of single models at the same cost "
            "scores at least as much",
        )
        assert report.cautions[0] in str(report)

    def test_an_oracle_is_lucky(self):
        """Of models that guess, one is right nearly always (RouterBench, LLMRouterBench)."""
        guess = {"sums": {f"model {number}": 0.25 for number in range(8)}}
        test = drawn(guess, 1500)
        report = evaluate(["model 0"] * 1500, test, chance=0.25, draws=20)
        oracle = reference(report, "best model of each query, in hindsight")
        assert oracle.quality == pytest.approx(1 - 0.75**8, abs=0.03)
        corrected = reference(
            report, "best model of each query, in hindsight, without lucky guesses"
        )
        best = max(each.quality for each in report.singles)
        assert best <= corrected.quality < 0.45

    def test_twenty_draws_of_a_label_take_sampling_out_of_the_oracle(self):
        """12 to 36 % of the oracle's gap is the noise of single draws ("How much is real")."""
        random = np.random.default_rng(0)
        single = (random.random((2000, 4)) < 0.6).astype(float)  # nobody is better anywhere
        means = (random.random((2000, 4, 20)) < 0.6).mean(axis=2)
        assert query_oracle(single).mean() == pytest.approx(1 - 0.4**4, abs=0.02)
        # The mean of twenty has a deviation of 0.11, and the largest of four is 1.03 of them more.
        deviation = math.sqrt(0.6 * 0.4 / 20)
        assert query_oracle(means).mean() == pytest.approx(0.6 + 1.03 * deviation, abs=0.01)

    def test_the_oracle_is_the_cheapest_that_is_right_and_all_queries_count(self):
        """By list order the oracle is dearer; on solved queries alone it is faster (Srivatsa)."""
        scores = [(1, 1, 0), (0, 1, 1), (0, 0, 0), (1, 0, 1)]
        usd = {"a": 3.0, "b": 2.0, "c": 1.0}
        rows = [
            {"query": f"sums {row} at 1"} | dict(zip(usd, each, strict=True))
            for row, each in enumerate(scores)
        ]
        for order in (list(usd), list(usd)[::-1]):
            priced = [
                {"query": row["query"]}
                | {name: row[name] for name in order}
                | {f"{name}|cost": usd[name] for name in order}
                for row in rows
            ]
            report = evaluate(["a"] * 4, RecordSet.from_rows(priced), draws=20)
            oracle = reference(report, "best model of each query, in hindsight")
            assert oracle.quality == 0.75
            assert oracle.cost == (2.0 + 1.0 + 1.0 + 1.0) / 4
            assert report.n == 4

    def test_the_time_of_a_decision_counts_on_every_query(self):
        """Latencies over solved queries alone leave the slow ones out (Srivatsa)."""
        test = drawn(SPECIALISTS, 5, first=60)
        decisions = fitted(drawn(SPECIALISTS, 60)).route_many(test.queries)
        slow = [replace(each, elapsed_ms=float(place)) for place, each in enumerate(decisions)]
        report = evaluate(slow, test, draws=20)
        assert 0 < report.quality.estimate < 1  # some queries are not solved
        assert (report.overhead.mean, report.overhead.p50) == (4.5, 4.5)

    def test_models_that_are_good_for_nothing_do_no_harm(self):
        """Of twenty random models a router makes no more than of four chosen ones, and may lose
        by them (LLMRouterBench)."""
        duds = {f"dud {number}": 0.3 for number in range(12)}
        crowd = {subject: rates | duds for subject, rates in SPECIALISTS.items()}
        train, test = drawn(crowd, 150), drawn(crowd, 150, first=150, seed=1)
        report = evaluate(Router.fit(train, embedder=EMBEDDER), test, draws=20)
        assert report.behavior.shares["one"] == report.behavior.shares["two"] == 0.5
        assert report.quality.estimate == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 300))

    def test_other_words_turn_no_clear_decision(self):
        """RouterArena's kNN entry kept 51 % of its decisions when the words were perturbed."""
        texts = {
            "poet": "Write a sad sonnet on the sea, on night number {}",
            "coder": "Sort an array of {} integers in C without a library",
        }
        rows = [
            {"query": text.format(number), "poet": model == "poet", "coder": model == "coder"}
            for model, text in texts.items()
            for number in range(30)
        ]
        router = Router.fit(RecordSet.from_rows(rows))
        asked = [text.format(number) for text in texts.values() for number in range(90, 100)]
        assert {each.model for each in router.route_many(asked)} == {"poet", "coder"}
        found = robustness(router, asked, draws=20)
        assert {each.name: each.unchanged.estimate for each in found.kinds} == dict.fromkeys(
            ("case", "whitespace", "typos", "politeness", "paraphrase", "answer_format"), 1.0
        )

    def test_queries_that_few_solve_are_found_by_who_knows_the_subject(self):
        """On queries that one to three of twenty models solve, routers find them in 23 to 24 %
        (LLMRouterBench): knowing who is good in general is not enough."""
        only = {"sums": {"one": 1.0, "two": 0.0, "fair": 0.0}}
        only["verse"] = {"one": 0.0, "two": 1.0, "fair": 0.0}
        only["law"] = {"one": 1.0, "two": 1.0, "fair": 1.0}
        train, test = drawn(only, 40), drawn(only, 40, first=40)
        known = evaluate(fitted(train, k=10), test, draws=20).behavior.recall
        blind = evaluate(fitted(train, k=len(train)), test, draws=20).behavior.recall
        assert [(each.solvers, each.queries, each.recall) for each in known[::2]] == [
            (1, 80, 1.0),
            (3, 40, 1.0),
        ]
        assert [(each.solvers, each.queries, each.recall) for each in blind[::2]] == [
            (1, 80, 0.5),
            (3, 40, 1.0),
        ]

    def test_an_embedder_that_does_not_suit_is_found_and_does_no_harm(self):
        """Where near queries agree no more than far ones, no neighbor helps (Li)."""
        train = drawn(SPECIALISTS, 200, named=False)
        test = drawn(SPECIALISTS, 200, first=200, seed=1, named=False)
        codes = {
            embedder.id: {each.code for each in lint(train, embedder=embedder).findings}
            for embedder in (EMBEDDER, UNSUITED)
        }
        assert "no_locality" in codes["lost-24"] - codes["subjects-24"]
        good = evaluate(Router.fit(train, embedder=EMBEDDER), test, draws=200)
        lost = evaluate(Router.fit(train, embedder=UNSUITED), test, draws=200)
        assert good.verdict.quality.low > 0.1
        assert lost.verdict.quality.estimate == pytest.approx(0.0, abs=0.02)


class TestCosts:
    def test_the_unit_of_cost_changes_nothing(self):
        """Weights of a cost mean nothing without its unit (RouterBench, CARROT)."""
        usd = {"one": 0.001, "two": 0.004, "fair": 0.002}
        tenfold = {name: 10 * each for name, each in usd.items()}
        test = drawn(SPECIALISTS, 40, first=60, seed=1)
        made = {}
        for unit, cost in ((1, usd), (10, tenfold)):
            router = fitted(drawn(SPECIALISTS, 60, cost=cost))
            priced = drawn(SPECIALISTS, 40, first=60, seed=1, cost=cost)
            by_weight = [
                [
                    each.ranking
                    for each in router.route_many(
                        test.queries, policy=ScoreMinusCost(cost_weight=weight / unit)
                    )
                ]
                for weight in (0.0, 50.0, 150.0, 300.0)
            ]
            made[unit] = by_weight, evaluate(router, priced, draws=20)
        (plain, report), (scaled, other) = made.values()
        assert plain == scaled
        assert len({tuple(each) for each in plain}) == 4  # the weights do decide
        assert other.quality == report.quality
        assert other.cost.estimate == pytest.approx(10 * report.cost.estimate)
        assert other.against_mixture.estimate == pytest.approx(report.against_mixture.estimate)
        assert other.curve.aiq == pytest.approx(report.curve.aiq)
        for one, ten in zip(report.curve.points, other.curve.points, strict=True):
            assert ten.cost_weight == pytest.approx(one.cost_weight / 10)
            assert (ten.quality, ten.regret) == pytest.approx((one.quality, one.regret))

    def test_what_is_missing_is_neither_zero_nor_free(self):
        """A missing score is no failure; a missing cost is not free, as it is in Avengers."""
        rows = [
            {"query": f"sums {row} at 0.9", "a": 0.6, "b": 0.9 if row % 2 else None}
            | {"a|cost": 0.001, "b|cost": 0.008 if row % 4 == 1 else None}
            for row in range(20)
        ]
        router = fitted(RecordSet.from_rows(rows), k=20)
        decision = router.route("sums 99 at 0.9")
        assert decision.scores == {"a": pytest.approx(0.6), "b": pytest.approx(0.9)}
        assert decision.costs == {"a": pytest.approx(0.001), "b": pytest.approx(0.008)}
        # b leads by 0.3 and costs 0.007 more: 0.3 / 0.007 = 43 is where it stops being worth it.
        assert router.route("sums 99 at 0.9", policy=ScoreMinusCost(cost_weight=42)).model == "b"
        assert router.route("sums 99 at 0.9", policy=ScoreMinusCost(cost_weight=44)).model == "a"
        full = [row | {"a": row["a|cost"] < place % 3} for place, row in enumerate(rows[1::2])]
        report = evaluate(["b"] * 10, RecordSet.from_rows(full), draws=20)
        assert report.best_single.quality == pytest.approx(0.9)
        assert report.cost is None
        assert report.curve is None

    def test_a_new_price_needs_no_refit(self):
        """Prices fall by the month; what was learned of quality stays as it is (RouterArena)."""
        texts = []
        embedder = FunctionEmbedder(
            lambda some: [texts.append(text) or vector(text) for text in some], DIM, "kept-24"
        )
        tokens = {"input_tokens": 1000, "output_tokens": 100}
        rates = {"sums": {"small": 0.5, "large": 0.9}, "verse": {"small": 0.9, "large": 0.9}}

        def counted(records):
            shape = records.scores.shape
            given = {name: np.full(shape, float(count)) for name, count in tokens.items()}
            return RecordSet(**records.as_dict() | given)

        def priced(**prices):
            models = [ModelSpec(name=name, price=Price(usd, usd)) for name, usd in prices.items()]
            return ModelPool(models=models)

        test = counted(drawn(rates, 50, first=100, seed=1))
        router = fitted(
            counted(drawn(rates, 100)), k=100, embedder=embedder, pool=priced(small=1, large=10)
        )
        texts.clear()
        cheaper = router.with_pool(priced(small=1, large=2))
        assert texts == []  # nothing is learned again
        policy = ScoreMinusCost(cost_weight=200)
        before, after = (
            evaluate(each, test, policy=policy, draws=20) for each in (router, cheaper)
        )
        usd = {each.name: each.cost for each in after.singles}
        assert usd == {"small": pytest.approx(0.0011), "large": pytest.approx(0.0022)}
        # On sums the large model is 0.4 better: worth it at 0.0011 USD more, not at 0.0099.
        assert before.behavior.shares == {"small": 1.0, "large": 0.0}
        assert after.behavior.shares == {"small": 0.5, "large": 0.5}
        assert after.cost.estimate == pytest.approx((0.0011 + 0.0022) / 2)
        expected = [each.outcomes.estimated_scores.tolist() for each in (before, after)]
        assert expected[0] == expected[1]

    def test_a_new_model_that_is_dominated_changes_no_decision(self):
        """A model is added by a few measurements; the others' estimates stay (UniRoute)."""
        train, queries = drawn(SPECIALISTS, 60), drawn(SPECIALISTS, 20, first=60).queries
        scores = np.full((len(train), 1), np.nan)
        scores[::4] = 0.1
        costs = None if train.costs is None else np.column_stack([train.costs, scores * np.nan])
        more = RecordSet(
            **train.as_dict()
            | {
                "models": (*train.models, "new"),
                "scores": np.column_stack([train.scores, scores]),
                "costs": costs,
            }
        )
        before = fitted(train, shrinkage=16.0).route_many(queries)
        after = fitted(more, shrinkage=16.0).route_many(queries)
        assert [each.model for each in after] == [each.model for each in before]
        for one, two in zip(before, after, strict=True):
            assert [name for name in two.ranking if name != "new"] == list(one.ranking)
            assert two.scores["one"] - two.scores["two"] == pytest.approx(
                one.scores["one"] - one.scores["two"]
            )
            assert two.scores["new"] < 0.3
