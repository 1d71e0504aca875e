"""Perturbations: what each makes of a text, and that it leaves what is asked."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import PERTURBATIONS, Perturbation, named_perturbations
from knnrouter.evaluation.perturbations import TYPO_RATE

TEXT = "Why is the sky blue?"
TYPOS = [each for each in PERTURBATIONS.values() if each.kind == "typos"]
OTHERS = [each for each in PERTURBATIONS.values() if each.kind != "typos"]
WORDS = st.lists(st.sampled_from(["planet", "bread", "Rust", "a", "é", "x2"]), max_size=60)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("lower", "why is the sky blue?"),
        ("upper", "WHY IS THE SKY BLUE?"),
        ("first_letter", "why is the sky blue?"),
        ("doubled_spaces", "Why  is  the  sky  blue?"),
        ("outer_space", "\n  Why is the sky blue? \n\n"),
        ("please", "Please help me with this: Why is the sky blue?"),
        ("thanks", "Why is the sky blue?\n\nThank you very much in advance!"),
        ("question", "Question: Why is the sky blue?"),
        ("briefly", "Why is the sky blue? Explain briefly."),
        ("answer", "Why is the sky blue?\nAnswer:"),
        ("letter_only", "Why is the sky blue?\nAnswer with the letter only."),
    ],
)
def test_by_hand(name, changed):
    assert PERTURBATIONS[name](TEXT) == changed


def test_lines_are_broken_after_eight_words():
    assert PERTURBATIONS["broken_lines"]("a b c d e f g h i") == "a b c d e f g h\ni"


def test_the_first_letter_may_follow_a_sign():
    assert PERTURBATIONS["first_letter"]("'abc") == "'Abc"
    assert PERTURBATIONS["first_letter"]("1 + 1") == "1 + 1"


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("swapped_letters", {"bulcd", "blcud"}),
        ("dropped_letters", {"bucd", "blcd", "blud"}),
        ("doubled_letters", {"bllucd", "bluucd", "bluccd"}),
    ],
)
def test_typos_fall_within_a_word_of_four_letters(name, allowed):
    found = {PERTURBATIONS[name]("blucd is 12", seed=seed) for seed in range(40)}
    assert found == {f"{word} is 12" for word in allowed} | (
        {"bludc is 12"} if name == "swapped_letters" else set()
    )


@pytest.mark.parametrize("each", TYPOS, ids=lambda each: each.name)
def test_typos_come_at_their_rate(each):
    text = " ".join(["planet"] * 200)
    wrong = sum(word != "planet" for word in each(text).split(" "))
    assert wrong == round(TYPO_RATE * 200) == 10
    assert sum(word != "planet" for word in each("planet planet").split(" ")) == 1
    assert each("to be or not") == "to be or not"


@settings(deadline=None)
@given(WORDS, st.integers(0, 3))
def test_every_word_stays_but_for_its_case(words, seed):
    text = " ".join(words)
    for each in OTHERS:
        kept = re.findall(r"\w+", each(text, seed=seed).lower())
        left = iter(kept)
        assert all(word.lower() in left for word in words), each.name  # in their order


@settings(deadline=None)
@given(WORDS, st.integers(0, 3))
def test_typos_touch_few_words_and_no_short_one(words, seed):
    text = " ".join(words)
    for each in TYPOS:
        changed = each(text, seed=seed).split(" ")
        assert len(changed) == len(text.split(" "))
        wrong = [old for old, new in zip(text.split(" "), changed, strict=True) if old != new]
        assert len(wrong) <= max(1, round(TYPO_RATE * len(words)))
        assert all(len(word) >= 4 for word in wrong)


@given(st.text(), st.integers(0, 3))
def test_the_same_text_and_seed_give_the_same(text, seed):
    for each in PERTURBATIONS.values():
        assert each(text, seed=seed) == each(text, seed=seed)


def test_another_seed_puts_typos_elsewhere():
    text = " ".join(["planet", "bread"] * 20)
    assert len({PERTURBATIONS["swapped_letters"](text, seed=seed) for seed in range(5)}) > 1


def test_a_lone_surrogate_is_text_like_any():
    assert PERTURBATIONS["upper"]("\ud800a") == "\ud800A"


def test_names_and_kinds():
    assert len(named_perturbations()) == len(PERTURBATIONS) == 23
    assert {each.kind for each in named_perturbations()} == {
        "case", "whitespace", "typos", "politeness", "paraphrase", "answer_format",
    }  # fmt: skip
    assert all(name == each.name for name, each in PERTURBATIONS.items())
    own = Perturbation(name="mine", kind="own", change=lambda text, _: text)
    assert named_perturbations([own, "upper", "upper"]) == (own, PERTURBATIONS["upper"])
    assert named_perturbations("typos") == tuple(TYPOS)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        PERTURBATIONS["upper"] = PERTURBATIONS["lower"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["uper", "case"], r"'uper': no perturbation and no kind of that name; give lower, upper"),
        ([], "perturbations is empty, so nothing would be changed; give at least one, or None"),
        (
            ["upper", Perturbation(name="upper", kind="own", change=lambda text, _: text)],
            "two perturbations are named 'upper'; give each a name of its own",
        ),
        ([7], "7: no perturbation and no kind"),
    ],
)
def test_names_that_will_not_do(given, told):
    with pytest.raises(EvaluationError, match=told):
        named_perturbations(given)


def test_a_change_draws_from_what_it_is_given():
    pick = Perturbation(name="pick", kind="own", change=lambda _, random: str(random.random()))
    assert pick("a", seed=1) == str(Random(b"1\0pick\0a").random())
