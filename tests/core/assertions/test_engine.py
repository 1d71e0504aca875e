"""Tests of a file against a router: what holds, what does not, and what is said then."""

from __future__ import annotations

import numpy as np
import pytest

from knnrouter import RecordSet, Router, read_records
from knnrouter.assertions.engine import Bench, router_of
from knnrouter.assertions.reading import read_tests
from knnrouter.assertions.wording import titles
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import (
    EmptyPoolError,
    MissingRouterError,
    PoolError,
    RecordsError,
    RoutingTestsError,
)
from knnrouter.estimators import KNN
from knnrouter.evaluation.perturbations import PERTURBATIONS


@pytest.fixture
def run(write):
    """Runs the one test of a file, given without its dash."""

    def run(test, *, shared="", head="pool: pool.yaml"):
        file = read_tests(write(f"{shared}\ntests:\n  - {test}\n", head=head), source="r.yaml")
        return Bench(file=file, router=router_of(file)).run(0)

    return run


SHARED = """\
prompts:
  - {prompt: Write a poem on the sea., tags: [verse, legal]}
  - {prompt: Sort a list in C., tags: code}
  - {file: results.csv, tags: [measured]}
"""


class TestPrompts:
    @pytest.mark.parametrize(
        ("test", "passed"),
        [
            ("{prompt: Sort a list in C., one_of: [coder, poet]}", True),
            ("{prompt: Sort a list in C., one_of: coder}", True),
            ("{prompt: Sort a list in C., one_of: coder-2}", True),  # an alias
            ("{prompt: Sort a list in C., one_of: poet}", False),
            ("{prompt: Sort a list in C., never: poet}", True),
            ("{prompt: Sort a list in C., never: [poet, coder-2]}", False),
            ("{prompts: [Sort a list in C., Write a poem on the sea.], one_of: coder}", False),
            ("{prompt: Sort a list in C., route: {allow: poet}, one_of: poet}", True),
            ("{prompt: Write a poem on the sea., route: {tags: eu}, one_of: coder}", True),
            ("{prompt: Write a poem on the sea., route: {require: tools}, one_of: coder}", True),
            ("{file: results.csv, when: {task: verse}, one_of: poet}", True),
            ("{file: results.csv, one_of: poet}", False),
            ("{when: {tag: verse}, one_of: poet}", True),
            ("{when: {tag: code}, never: poet}", True),
            ("{when: {tag: measured, task: code}, one_of: coder}", True),
            ("{when: {tag: measured}, one_of: coder}", False),
            ("{one_of: coder}", False),
            ("{one_of: [coder, poet]}", True),
        ],
    )
    def test_where_prompts_go(self, run, test, passed):
        assert run(test, shared=SHARED).passed is passed

    def test_what_is_said_of_a_prompt(self, run):
        test = "{prompts: [Sort a list in C., Write a poem on the sea.], one_of: coder}"
        lines = str(run(test)).splitlines()
        assert lines[0] == "1 of 2 prompts went elsewhere"
        assert lines[2:6] == [
            '  prompt    "Write a poem on the sea."',
            "  wanted    coder",
            "  got       poet, score 1.000 ± 0.444",
            "  reason    best expected score [best_score]",
        ]
        assert [line.split() for line in lines[6:9]] == [
            ["ranking", "model", "score", "cost,", "USD"],
            ["poet", "1.000", "±", "0.444", "0.001000", "chosen"],
            ["coder", "0.000", "±", "0.428", "0.002000", "wanted"],
        ]
        assert lines[9].split() == ["evidence", "similarity", "poet", "coder", "task", "query"]
        assert lines[10].split()[1:4] == ["1.00", "0.00", "verse"]
        assert lines[10].endswith('"Write a sonnet on the sea."')

    def test_what_is_said_of_never(self, run):
        said = str(run("{when: {tag: verse}, never: poet}", shared=SHARED))
        assert said.startswith("1 of 1 prompts went elsewhere")
        assert "wanted    any model but poet" in said
        assert "0.001000   chosen, never" in said

    def test_a_model_that_could_not_answer_is_named(self, run):
        said = str(run("{prompt: Hi., route: {tags: eu}, one_of: poet}"))
        assert "          not eligible for this prompt: poet" in said

    def test_of_many_prompts_five_are_shown(self, run):
        said = str(run("{file: results.csv, one_of: [poet], name: x}"))
        assert said.startswith("3 of 6 prompts went elsewhere")
        assert said.count("prompt    ") == 3
        prompts = ", ".join(f"Sort list {number} in C." for number in range(7))
        said = str(run(f"{{prompts: [{prompts}], one_of: poet}}"))
        assert said.startswith("7 of 7 prompts")
        assert said.count("prompt    ") == 5
        assert said.endswith("\n  … and 2 more")

    def test_a_fallback_is_told(self, run, folder):
        pool = (
            (folder / "pool.yaml").read_text().replace("default", "min_similarity: 0.99, default")
        )
        (folder / "pool.yaml").write_text(pool)
        said = str(run("{prompt: Sort a list in C., one_of: coder}"))
        assert "a fallback: the policy could not choose as it is meant to" in said

    def test_evidence_without_its_texts(self, run, folder):
        Router.load(folder / "router").save(folder / "router", keep_queries=False)
        said = str(run("{prompt: Sort a list in C., one_of: poet}"))
        assert " row " in said.splitlines()[-1]
        assert "linked" not in said


class TestRates:
    @pytest.mark.parametrize(
        ("limits", "passed"),
        [
            ("at_most: 0.5", True),
            ("below: 0.5", False),
            ("at_least: 0.5", True),
            ("above: 0.5", False),
        ],
    )
    def test_share(self, run, limits, passed):
        outcome = run(f"{{file: results.csv, share: {{model: coder-2, {limits}}}}}")
        assert outcome.passed is passed
        wanted = "" if passed else f"; wanted {limits.replace(':', '')}"
        assert outcome.summary == f"0.5 of 6 prompts went to coder{wanted}"
        assert [line.split() for line in outcome.details[1:]] == [
            ["model", "share", "prompts"],
            ["coder", "0.5", "3"],
            ["poet", "0.5", "3"],
        ]

    def test_quality_is_the_mean_score_of_the_chosen(self, run, folder):
        (folder / "new.csv").write_text(
            "query,task,coder,poet\n"
            "Sort a list in C.,code,0.25,1\n"
            "Write a poem on the sea.,verse,0,1\n"
        )
        outcome = run("{file: new.csv, quality: {at_least: 0.7}}")
        assert not outcome.passed
        assert outcome.summary == "mean score 0.6250 ± 0.3750 on 2 rows; wanted at_least 0.7"
        assert [line.split() for line in outcome.details[1:]] == [
            ["model", "prompts", "mean", "score"],
            ["coder", "1", "0.2500"],
            ["poet", "1", "1.0000"],
            [],
            ["chosen", "score", "best", "prompt"],
            ["coder", "0.25", "1.00", '"Sort', "a", "list", "in", 'C."'],
        ]
        assert run("{file: new.csv, quality: {at_least: 0.625}}").passed
        assert run("{file: new.csv, when: {task: verse}, quality: {at_least: 1}}").passed

    def test_the_model_that_was_chosen_most_is_told_first(self, run, folder):
        (folder / "new.csv").write_text(
            "query,coder,poet\n"
            "Sort a list in C.,0.25,1\n"
            "Write a poem on the sea.,0,1\n"
            "Write a sonnet on the moon.,0,0.5\n"
        )
        outcome = run("{file: new.csv, quality: {at_least: 1}}")
        assert [line.split() for line in outcome.details[2:4]] == [
            ["poet", "2", "0.7500"],
            ["coder", "1", "0.2500"],
        ]

    def test_the_policy_of_the_file_holds(self, run):
        head = "pool: pool.yaml\npolicy: score_minus_cost:cost_weight=1e6"
        outcome = run("{file: results.csv, share: {model: poet, at_least: 1}}", head=head)
        assert outcome.passed, outcome

    def test_cost(self, run):
        outcome = run("{file: results.csv, cost_per_1000: {at_most: 1.5}}")
        assert outcome.passed  # 3 of coder at $0.002, 3 of poet at $0.001
        assert outcome.summary == "measured cost $1.5 per 1,000 prompts, mean of 6"
        broken = run("{file: results.csv, cost_per_1000: {below: 1.5}}")
        assert broken.summary.endswith("; wanted below 1.5")
        assert [line.split() for line in broken.details[2:]] == [
            ["coder", "3", "2"],
            ["poet", "3", "1"],
        ]

    def test_the_cost_that_is_expected_needs_no_outcomes(self, run):
        test = "{prompt: Sort a list in C., cost_per_1000: {at_most: 2, expected: true}}"
        assert run(test).summary == "expected cost $2 per 1,000 prompts, mean of 1"


class TestFlips:
    @pytest.fixture
    def flips(self, write):
        """Runs a test on a router that sends to the coder what `is_coder`, else to the poet."""

        def flips(test, is_coder, *, head="version: 1"):
            rows = [
                {"query": "code", "coder": 1, "poet": 0},
                {"query": "verse", "coder": 0, "poet": 1},
            ]

            def embed(texts):
                return [[1, 0] if one == "code" or is_coder(one) else [0, 1] for one in texts]

            embedder = FunctionEmbedder(embed, dim=2, id="halves")
            router = Router.fit(RecordSet.from_rows(rows), embedder=embedder, estimator=KNN(k=1))
            file = read_tests(write(f"tests:\n  - {test}\n", head=head))
            return Bench(file=file, router=router).run(0)

        return flips

    TEST = (
        "{prompts: [Tell me., Go on.], flip_rate: {below: 0.1, perturbations: [case, outer_space]}}"
    )

    def test_the_rate_is_the_mean_over_kinds(self, flips):
        outcome = flips(self.TEST, str.isupper)
        assert not outcome.passed
        # one of three changes of case flips both prompts, the outer space neither: (1/3 + 0) / 2
        assert outcome.summary == (
            "0.1667 of the decisions changed, the mean over kinds of changes: 2 of 8; "
            "wanted below 0.1"
        )
        assert [line.split() for line in outcome.details[1:4]] == [
            ["kind", "flip", "rate"],
            ["case", "0.3333"],
            ["whitespace", "0"],
        ]
        assert outcome.details[4:] == (
            "",
            'poet -> coder  upper  "TELL ME."',
            'poet -> coder  upper  "GO ON."',
        )

    def test_none(self, flips):
        outcome = flips(self.TEST, lambda text: "." not in text)
        assert outcome.passed
        assert outcome.details == ("", "kind        flip rate", "case        0", "whitespace  0")

    def test_the_policy_of_the_file_holds(self, flips):
        head = "policy: threshold:strong=coder,weak=poet,threshold=0"
        assert flips(self.TEST, str.isupper, head=head).passed

    def test_the_seed_says_where_typos_fall(self, flips):
        text, dropped = "alphabet kitchen garden", PERTURBATIONS["dropped_letters"]
        for seed in range(4):
            rate = f"{{at_most: 0, perturbations: dropped_letters, seed: {seed}}}"
            outcome = flips(f"{{prompt: {text}, flip_rate: {rate}}}", lambda one: "garden" in one)
            assert outcome.passed == ("garden" in dropped(text, seed=seed))
        assert len({"garden" in dropped(text, seed=seed) for seed in range(4)}) == 2


class TestNotMeasured:
    def test_scores_and_costs_of_the_chosen_must_be_there(self, run, folder):
        (folder / "holes.csv").write_text(
            "id,query,coder,poet,coder|cost\nq1,Sort a list in C.,,1,0.002\n"
            "q2,Write a poem on the sea.,0,1,0.002\n"
        )
        with pytest.raises(RoutingTestsError) as scores:
            run("{file: holes.csv, quality: {at_least: 0}}")
        assert str(scores.value) == (
            "1 of 2 scores are not measured, those of models that were chosen: q1 of coder; what "
            "is not measured is neither zero nor free: measure them, or leave out the rows"
        )
        with pytest.raises(RoutingTestsError, match=r"1 of 2 costs .*: q2 of poet; what"):
            run("{file: holes.csv, cost_per_1000: {at_most: 9}}")

    def test_a_model_without_a_column(self, run, folder):
        (folder / "other.csv").write_text("id,query,coder\nq2,Write a poem on the sea.,1\n")
        with pytest.raises(
            RoutingTestsError, match=r"1 of 1 scores are not measured, .*q2 of poet"
        ):
            run("{file: other.csv, quality: {at_least: 0.5}}")

    def test_costs_that_nobody_knows(self, run, folder):
        (folder / "free.csv").write_text("query,coder,poet\nSort a list in C.,1,0\n")
        Router.fit(read_records(folder / "free.csv")).save(folder / "unpriced")
        test = "{prompt: Sort it., cost_per_1000: {at_most: 2, expected: true}}"
        with pytest.raises(RoutingTestsError, match="no cost is known of coder, chosen for 1 of 1"):
            run(test, head="router: unpriced")


class TestCannotBeRun:
    @pytest.mark.parametrize(
        ("test", "wanted"),
        [
            (
                "{prompt: Hi., never: poett}",
                "4:19: tests[0].never[0]: the pool has no model 'poett'",
            ),
            (
                "{prompt: Hi., one_of: [coder, x]}",
                "4:35: tests[0].one_of[1]: the pool has no model",
            ),
            ("{prompt: Hi., share: {model: X, below: 1}}", "4:27: tests[0].share.model: the pool "),
            (
                "{prompt: Hi., route: {allow: [x]}, never: poet}",
                "4:35: tests[0].route.allow[0]: the pool has no model 'x'; its models are coder, p",
            ),
        ],
    )
    def test_a_model_that_is_not_in_the_pool(self, run, test, wanted):
        with pytest.raises(RoutingTestsError) as caught:
            run(test)
        assert str(caught.value).startswith(f"r.yaml:{wanted}"), caught.value

    def test_a_model_of_the_policy(self, run):
        head = "policy: threshold:strong=coder,weak=x,threshold=0.5\npool: pool.yaml"
        with pytest.raises(RoutingTestsError, match=r"r\.yaml:1:1: policy: .*no model 'x'"):
            run("{prompt: Hi., never: poet}", head=head)

    def test_a_task_that_no_row_has(self, run):
        with pytest.raises(RoutingTestsError) as caught:
            run("{file: results.csv, when: {task: vers}, never: coder}")
        assert str(caught.value) == (
            "none of 6 prompts has task = vers; the tasks are code, verse; did you mean verse?"
        )
        with pytest.raises(RoutingTestsError, match="tag = code, task = code; the tasks are "):
            run("{when: {tag: code, task: code}, never: coder}", shared=SHARED)

    def test_a_file_that_is_not_there(self, run):
        with pytest.raises(RecordsError, match=r"absent\.csv"):
            run("{file: absent.csv, never: coder}")

    def test_a_file_without_texts(self, run, folder):
        scores = np.array([[1, 0], [0, 1]], np.float32)
        bare = RecordSet(ids=("q1", "q2"), models=("coder", "poet"), scores=scores)
        bare.to_parquet(folder / "bare.parquet")
        with pytest.raises(RoutingTestsError, match=r"^bare\.parquet: 2 of 2 rows keep no text"):
            run("{file: bare.parquet, never: coder}")

    def test_nobody_may_answer(self, run):
        with pytest.raises(EmptyPoolError, match="coder: lacks the tag 'us'"):
            run("{prompt: Hi., route: {tags: us}, never: coder}")


class TestRouters:
    def test_of_a_pool_of_a_folder_of_both_and_the_starter(self, write):
        def pool(head):
            test = "tests: [{prompt: Hi., never: a}]"
            return router_of(read_tests(write(test, head=head))).pool

        assert pool("pool: pool.yaml").spec("coder-2").tags == ("eu",)
        assert pool("router: router").spec("coder").tags == ()
        assert pool("router: router\npool: pool.yaml").spec("coder").tags == ("eu",)
        assert pool("version: 1") == Router.starter().pool

    @pytest.mark.parametrize(
        ("head", "error", "wanted"),
        [
            ("router: gone", MissingRouterError, "gone"),
            ("pool: gone.yaml", PoolError, "gone.yaml: there is no such file"),
        ],
    )
    def test_what_is_not_there(self, write, head, error, wanted):
        file = read_tests(write("tests: [{prompt: Hi., never: a}]", head=head))
        with pytest.raises(error, match=wanted):
            router_of(file)

    def test_prompts_are_routed_once_for_all_tests(self, write, monkeypatch):
        text = "tests: [{file: results.csv, never: coder}, {file: results.csv, never: poet}]"
        file = read_tests(write(text))
        bench = Bench(file=file, router=router_of(file))
        asked = []
        route_many = Router.route_many
        monkeypatch.setattr(
            Router, "route_many", lambda *a, **k: asked.append(a) or route_many(*a, **k)
        )
        assert [bench.run(number).summary[:6] for number in (0, 1)] == ["3 of 6", "3 of 6"]
        assert len(asked) == 1

    @pytest.mark.parametrize("route", ["tags: eu", "allow: coder", "require: tools"])
    def test_other_options_are_asked_anew(self, write, route):
        prompt = "prompt: Write a poem on the sea."
        text = (
            f"tests: [{{{prompt}, one_of: poet}}, {{{prompt}, route: {{{route}}}, one_of: coder}}]"
        )
        file = read_tests(write(text))
        bench = Bench(file=file, router=router_of(file))
        assert [bench.run(number).passed for number in (0, 1, 0)] == [True] * 3


def test_titles(write):
    text = """\
        prompts: [{prompt: a, tags: b}]
        tests:
          - {name: My name, prompt: Hi., never: x}
          - {prompt: "Sort a\\nvery long list of names with std::sort in C++.", one_of: [x, y]}
          - {prompts: [a, b], never: x}
          - {prompts: [a, b], never: x}
          - {prompts: [a], never: x}
          - {when: {tag: b}, never: x}
          - {file: a.csv, when: {task: t}, quality: {at_least: 0.5, below: 0.75}}
          - {share: {model: x, at_most: 0.3}}
          - {flip_rate: {below: 0.05, perturbations: case}}
          - {cost_per_1000: {at_most: 2, expected: true}}
        """
    assert titles(read_tests(write(text)).content.tests) == [
        "My name",
        'one_of x, y: "Sort a very long list of names with std…"',
        "never x: 2 prompts",
        "never x: 2 prompts (2)",
        'never x: "a"',
        "never x: tag = b",
        "quality at_least 0.5, below 0.75: a.csv, task = t",
        "share x at_most 0.3: all prompts",
        "flip_rate below 0.05: all prompts",
        "cost_per_1000 at_most 2: all prompts",
    ]
