import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.text.surface import MOST, SURFACE, surface


def features(text):
    return dict(zip(SURFACE, surface([text])[0].tolist(), strict=True))


def count(text, name):
    return round(float(np.expm1(features(text)[name])), 6)


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("", "characters", 0),
        ("ab cd", "characters", 5),
        ("Two words", "words", 2),
        ("so so so", "distinct_words", 1),
        ("1,200 and 3.5 and 7", "numbers", 3),
        ("1,200 and 3.5 and 7", "largest_number", 1200),
        ("9" * 400, "largest_number", 1e9),
        ("1,200 and 3.5 and 7", "decimals", 1),
        ("One. Two! Three?", "sentences", 3),
        ("What now? A.", "questions", 1),
        ("A. red\nB. blue\n(C) green\nDone", "options", 3),
        ("is 1. an option? no", "options", 0),
        ("Ann met Bob", "names", 2),
        ("NASA and the EU", "acronyms", 2),
        ("a = b + c", "operators", 2),
        (r"\frac{1}{2} costs $", "latex", 2),
        ("def f(): return []", "code", 4),
        ("fill ____ in __", "blanks", 1),
        ("'a' \"b\"", "quotes", 4),
        ("a, b，c", "commas", 2),
        ("It isn't true, not ever", "negations", 2),
        ("If so, then go when told", "conditions", 3),
        ("half of twice two", "quantities", 3),
        ("older and fewer than", "comparisons", 3),
        ("the sum of every log", "reckoning", 3),
        ("How many? How much? How?", "how_many", 2),
        ("Which of the following", "which_of", 1),
        ("how many manyhow", "how", 1),
    ],
)
def test_counts(text, name, wanted):
    assert count(text, name) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("ab abcd", "word_length", 3.0),
        ("", "word_length", 0.0),
        ("one two. three four.", "words_a_sentence", np.log1p(2)),
        ("a 1 b 2", "number_share", 2 / 3),
        ("a!b", "symbol_share", 1 / 4),
        ("12a", "digit_share", 2 / 4),
        ("so so so so", "distinct_share", 1 / 4),
        ("elephants run", "long_word_share", 1 / 3),
        ("ABc", "upper_share", 2 / 4),
        ("äbc", "other_script_share", 1 / 4),
        ("中文a", "cjk_share", 2 / 4),
        ("a b", "space_share", 1 / 4),
        ("ab?c", "question_place", 3 / 5),
        ("no", "question_place", 0.0),
        ("Really?  \n", "ends_with_question", 1.0),
        ("Really? No.", "ends_with_question", 0.0),
        ("A. 12345\nB. 1", "option_length", np.log1p((8 + 4) / 2)),
        ("no options", "option_length", 0.0),
    ],
)
def test_shares(text, name, wanted):
    assert features(text)[name] == pytest.approx(wanted)


def test_names_are_unique():
    assert len(set(SURFACE)) == len(SURFACE)
    assert surface([]).shape == (0, len(SURFACE))


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_always_finite_and_of_each_text_alone(texts):
    found = surface(texts)
    assert found.shape == (len(texts), len(SURFACE))
    assert np.isfinite(found).all()
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(found[row], surface([text])[0])


def test_only_the_length_tells_of_what_comes_late():
    head = "a " * (MOST // 2)
    one, other = features(head + "x" * 10), features(head + "1?" * 5)
    assert one == other
    assert one["characters"] > features(head)["characters"]


@pytest.mark.parametrize("evil", ["\n", " ", "1,", "'", "_", "A", "a.", "(a) ", "\\a", "1.1"])
def test_linear_in_the_length(evil):
    start = time.process_time()
    surface([evil * MOST])
    assert time.process_time() - start < 2.0  # quadratic patterns would take minutes
