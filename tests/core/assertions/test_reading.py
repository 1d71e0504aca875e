"""routing_tests.yaml: what is read, and what is refused and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from knnrouter.assertions.limits import Cost, FlipRate, Limits, Quality, Share
from knnrouter.assertions.reading import read_tests, read_tests_text
from knnrouter.assertions.schema import (
    RouteOptions,
    RoutingTest,
    RoutingTests,
    SharedPrompt,
    When,
)
from knnrouter.errors import RoutingTestsError


def read(text):
    return read_tests_text(text, path=Path("routing_tests.yaml"), source="r.yaml")


def problems(text):
    with pytest.raises(RoutingTestsError) as caught:
        read(text)
    return caught.value.problems


FULL = """\
version: 1
router: ./router
pool: pool.yaml
policy: {kind: score_minus_cost, cost_weight: 20}
prompts:
  - {prompt: "Is it binding?", tags: [legal, short]}
  - {file: law.jsonl, tags: legal}
tests:
  - {name: code, prompt: Sort a list., one_of: coder}
  - {prompts: [Hi., Bye.], never: [large, huge], route: {allow: [a, b], require: tools, tags: [eu]}}
  - {when: {tag: legal}, share: {model: large, above: 0.1, below: 0.3}}
  - {flip_rate: {at_most: 0.05, perturbations: [case, please], seed: 3}}
  - {file: law.jsonl, when: {task: contracts}, quality: {at_least: 0.6}}
  - {cost_per_1000: {at_most: 2, expected: true}}
"""


def test_a_full_file():
    file = read(FULL)
    assert file.content == RoutingTests(
        router="./router",
        pool="pool.yaml",
        policy={"kind": "score_minus_cost", "cost_weight": 20},
        prompts=(
            SharedPrompt(prompt="Is it binding?", tags=["legal", "short"]),
            SharedPrompt(file="law.jsonl", tags=["legal"]),
        ),
        tests=(
            RoutingTest(name="code", prompt="Sort a list.", one_of=["coder"]),
            RoutingTest(
                prompts=["Hi.", "Bye."],
                never=["large", "huge"],
                route=RouteOptions(allow=["a", "b"], require=["tools"], tags=["eu"]),
            ),
            RoutingTest(when=When(tag="legal"), share=Share(model="large", above=0.1, below=0.3)),
            RoutingTest(flip_rate=FlipRate(at_most=0.05, perturbations=["case", "please"], seed=3)),
            RoutingTest(
                file="law.jsonl", when=When(task="contracts"), quality=Quality(at_least=0.6)
            ),
            RoutingTest(cost_per_1000=Cost(at_most=2, expected=True)),
        ),
    )
    assert [file.line(number) for number in range(6)] == [9, 10, 11, 12, 13, 14]
    assert [test.kind for test in file.content.tests] == [
        *("one_of", "never", "share", "flip_rate", "quality", "cost_per_1000")
    ]


def test_values_are_frozen():
    test = RoutingTest(prompt="Hi.", never="large")
    with pytest.raises(ValueError, match="frozen"):
        test.prompt = "Bye."


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("version: 2", "1:1: version: version 2 is not supported; this knnrouter reads version 1"),
        ("rooter: x", "1:1: rooter: unknown key; did you mean router?"),
        ("policy: best_scor", "1:1: policy: unknown policy 'best_scor' (did you mean 'best_score'"),
        ("policy: 3", "1:1: policy: text such as score_minus_cost:cost_weight=20, or a mapping"),
        ("prompts: 3", "1:1: prompts: a list is wanted, such as: prompts: [{prompt: Hi.}]"),
        ("prompts: [{tags: [a]}]", "1:11: prompts[0]: state either prompt or file"),
        (
            "prompts: [{prompt: Hi., file: a.csv}]",
            "1:11: prompts[0]: state either prompt or file",
        ),
        ("prompts: [{prompt: ''}]", "1:12: prompts[0].prompt: text is wanted that is not empty"),
        ("router: 4", "1:1: router: 4 without quotes is a number in YAML, and text is wanted"),
        ("pool: a\npool: b", "1:1: pool: the key stands here twice, again in line 2; remove one"),
    ],
)
def test_what_is_wrong_around_the_tests(text, wanted):
    (found,) = problems(f"{text}\ntests: [{{prompt: Hi., one_of: a}}]")
    assert found.startswith(f"r.yaml:{wanted}"), found


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        ("7", "4: tests[0]: a mapping is wanted, not 7"),
        ("{prompt: a}", "4: tests[0]: it asserts nothing; state one of one_of, never, share, "),
        ("{prompt: a, nevr: b}", "16: tests[0].nevr: unknown key; did you mean never?"),
        ("{never: b}", "4: tests[0]: it routes nothing; state prompt, prompts or file, or list "),
        ("{prompt: a, never: []}", "16: tests[0].never: nothing is listed; name at least one"),
        ("{prompt: a, never: 3}", "16: tests[0].never: a list is wanted, such as [a, b], not 3"),
        ("{prompts: [], never: b}", "5: tests[0].prompts: nothing is listed; name at least one"),
        ("{prompts: [a, 3], never: b}", "18: tests[0].prompts[1]: 3 without quotes is a number"),
        (
            "{prompt: a, one_of: b, never: c}",
            "27: tests[0].never: a test asserts one thing, and one_of stands here too; make two",
        ),
        (
            "{prompt: a, file: b, never: c}",
            "16: tests[0].file: prompt says which prompts are routed; leave out one of them",
        ),
        (
            "{prompt: a, when: {tag: b}, never: c}",
            "23: tests[0].when.tag: a prompt that stands in the test has no tag; leave out when",
        ),
        (
            "{file: a, when: {tag: b}, never: c}",
            "21: tests[0].when.tag: rows of a file have tasks; state task, or list the file in ",
        ),
        ("{file: a, when: {}, never: c}", "14: tests[0].when: it chooses nothing; state tag or "),
        ("{prompt: a, share: {model: b}}", "16: tests[0].share: there is no limit; state at_least"),
        ("{prompt: a, share: {at_most: 1}}", "16: tests[0].share.model: missing; add it"),
        (
            "{prompt: a, share: {model: b, at_most: 5}}",
            "34: tests[0].share.at_most: a number up to 1 is wanted, not 5",
        ),
        (
            "{prompt: a, flip_rate: {below: -1}}",
            "28: tests[0].flip_rate.below: a number greater than or equal to 0 is wanted, not -1",
        ),
        (
            "{prompt: a, flip_rate: {below: .1, perturbations: [please, cas]}}",
            "63: tests[0].flip_rate.perturbations[1]: no change and no kind of changes is called "
            "'cas'; the kinds are case, whitespace, typos, politeness, paraphrase, answer_format; "
            "did you mean case?",
        ),
        (
            "{prompt: a, flip_rate: {below: .1}, route: {tags: eu}}",
            "40: tests[0].route: flips are found without options of route; leave it out",
        ),
        (
            "{prompt: a, quality: {at_least: 0.5}}",
            "16: tests[0].quality: quality is measured on a file of outcomes; state file",
        ),
        ("{file: a, quality: {at_leest: 0.5}}", "24: tests[0].quality.at_leest: unknown key; did "),
        (
            "{prompt: a, cost_per_1000: {at_most: 1}}",
            "16: tests[0].cost_per_1000: costs are measured on a file of outcomes; state file, or "
            "expected: true",
        ),
    ],
)
def test_what_is_wrong_in_a_test(test, wanted):
    found = problems(f"tests:\n - {test}\n")
    assert any(one.startswith(f"r.yaml:2:{wanted}") for one in found), found


def test_a_tag_that_no_prompt_has_would_make_any_assertion_hold():
    head = "prompts: [{prompt: a, tags: [legal]}, {prompt: b, tags: fun}]\n"
    (found,) = problems(head + "tests: [{when: {tag: lega}, never: x}]")
    assert found == (
        "r.yaml:2:17: tests[0].when.tag: no prompt has the tag 'lega'; the tags are legal, fun; "
        "did you mean legal?"
    )
    (untagged,) = problems("prompts: [{prompt: a}]\ntests: [{when: {tag: x}, never: x}]")
    assert untagged.endswith("no prompt has the tag 'x'; no prompt has tags")


def test_all_problems_at_once_in_the_order_of_the_file():
    found = problems(
        """\
rooter: a
prompts:
  - {prompt: Hi., tag: legal}
tests:
  - {when: {tag: legal}, never: large}
  - {prompt: a, one_of: b, qualty: c}
"""
    )
    assert [one.split(" ")[0] for one in found] == [
        *("r.yaml:1:1:", "r.yaml:3:19:", "r.yaml:5:13:", "r.yaml:6:28:")
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "r.yaml: it is empty; a file of routing tests lists tests, such as: tests: [{prompt:"),
        ("- a", "r.yaml:1:1: a file of routing tests is a mapping with the keys version, router, "),
        ("tests: [", "r.yaml:1:9: not YAML: while parsing a flow node expected the node content"),
        ("tests: []", "r.yaml:1:1: tests: list at least one test, such as: tests: [{prompt: Sort"),
        ("version: 1", "r.yaml:1:1: tests: list at least one test, such as: tests: [{prompt: Sort"),
        ("tests: hi", "r.yaml:1:1: tests: list at least one test, such as: tests: [{prompt: Sort"),
    ],
)
def test_no_tests_at_all(text, wanted):
    (found,) = problems(text)
    assert found.startswith(wanted)


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "routing_tests.yaml"
    with pytest.raises(RoutingTestsError) as caught:
        read_tests(path)
    assert str(caught.value).startswith(
        f"{path}: there is no such file; a file of routing tests is a YAML file, such as: tests:"
    )


def test_what_python_makes_is_checked_too():
    with pytest.raises(RoutingTestsError) as caught:
        RoutingTest(prompt="Hi.", quality=Quality(at_least=0.5), never="x")
    assert caught.value.problems == (
        "RoutingTest: quality: a test asserts one thing, and never stands here too; make two tests",
        "RoutingTest: quality: quality is measured on a file of outcomes; state file",
    )
    with pytest.raises(RoutingTestsError, match=r"^Limits: there is no limit; state at_least"):
        Limits()


@pytest.mark.parametrize(
    ("limits", "value", "broken"),
    [
        ({"at_least": 0.6}, 0.6, ()),
        ({"at_least": 0.6}, 0.6 - 1e-8, ()),  # a float32 of 0.6 is on the limit
        ({"at_least": 0.6}, 0.599, ("at_least 0.6",)),
        ({"above": 0.6}, 0.6 + 1e-8, ("above 0.6",)),
        ({"above": 0.6}, 0.601, ()),
        ({"at_most": 0.05}, 0.05, ()),
        ({"at_most": 0.05}, 0.051, ("at_most 0.05",)),
        ({"below": 0.05}, 0.05, ("below 0.05",)),
        ({"below": 0.05}, 0.049, ()),
        ({"at_most": 0}, 0.0, ()),
        ({"at_least": 0.2, "below": 0.3}, 0.3, ("below 0.3",)),
        ({"at_least": 0.2, "below": 0.3}, 0.1, ("at_least 0.2",)),
    ],
)
def test_limits(limits, value, broken):
    assert Limits(**limits).broken_by(value) == broken
