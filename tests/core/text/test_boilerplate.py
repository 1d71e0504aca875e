"""Harness blocks and answer-format trailers: what goes, what stays, and that it stays linear."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.text.boilerplate import (
    DROPPED_BLOCKS,
    UNWRAPPED_BLOCKS,
    strip_boilerplate,
    without_harness_blocks,
)

DROPPED = sorted({tag for tags in DROPPED_BLOCKS.values() for tag in tags})
UNWRAPPED = sorted({tag for tags in UNWRAPPED_BLOCKS.values() for tag in tags})


@pytest.mark.parametrize("tag", DROPPED)
def test_dropped_blocks_go_with_their_content(tag):
    assert strip_boilerplate(f"Sort a list.\n<{tag}>\nnoise\n</{tag}>") == "Sort a list."
    assert strip_boilerplate(f'<{tag} path="a.py">noise</{tag}>\nSort a list.') == "Sort a list."


@pytest.mark.parametrize("tag", UNWRAPPED)
def test_unwrapped_blocks_keep_their_content(tag):
    assert strip_boilerplate(f"<{tag}>\nSort a list.\n</{tag}>") == "Sort a list."


def test_the_tables_hold_the_known_harness_tags():
    assert {"system-reminder", "environment_details", "ide_context", "file_contents"} <= {*DROPPED}
    assert not {*DROPPED} & {*UNWRAPPED}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<task>Fix it</task><environment_details>x</environment_details>", "Fix it"),
        ("a <system-reminder>x</system-reminder> b", "a \n b"),
        ("<ide_context>a<ide_context>b</ide_context>c</ide_context>d", "d"),
        ("<ide_context>a<user_info>b</ide_context>c</user_info>d", "d"),
        ("<ide_context>a<task>b</task></ide_context>d", "d"),
        # Without a partner, a tag is the user's own text.
        ("What does <system-reminder> mean?", "What does <system-reminder> mean?"),
        ("What does </system-reminder> mean?", "What does </system-reminder> mean?"),
        ("</ide_context> a <ide_context>", "</ide_context> a <ide_context>"),
        # A closing tag goes with the nearest opening one.
        ("<ide_context>? <ide_context>a</ide_context>", "<ide_context>?"),
        # The user's own markup is not a harness's.
        ("<context>a</context> Where?", "<context>a</context> Where?"),
        ("Is a<b and b</c?", "Is a<b and b</c?"),
        ("<Task>Fix it</Task>", "<Task>Fix it</Task>"),
        # What is left must not grow together into a new tag.
        (
            "<ide_con<user_info>x</user_info>text>y</ide_context>",
            "<ide_con\ntext>y</ide_context>",
        ),
    ],
)  # fmt: skip
def test_blocks(text, left):
    assert strip_boilerplate(text) == left


def test_a_text_of_blocks_alone_is_kept_but_known_to_be_empty():
    text = "<system-reminder>Be brief.</system-reminder>"
    assert strip_boilerplate(text) is text
    assert without_harness_blocks(text) == ""


def test_text_without_boilerplate_is_the_same_object():
    text = "  Sort a list.\nIn Rust, please. \n"
    assert strip_boilerplate(text) is text


QUESTION = "Which one?\nA. red\nB. blue"


@pytest.mark.parametrize(
    "trailer",
    [
        "Answer:",
        "answer",
        "The answer is",
        "The correct answer is: (",
        "Final answer:",
        "A:",
        "### Response:",
        "答案：",
        "答案是：",
        "Enter the letter of the correct option.",
        "Respond with only the letter of the correct answer.",
        "Please reply with the option letter.",
        "Answer with the option's letter from the given choices directly.",
        "Please answer with A, B, C or D.",
        'Print only a single choice  from "A" or "B" or "C" or "D" without explanation.',
        "Choose the best answer.",
        "Choose from the following options:",
        "Answer without any explanation.",
        "Choose the correct option.\n\nAnswer: \n",
    ],
)
def test_answer_format_trailers_go(trailer):
    assert strip_boilerplate(f"{QUESTION}\n{trailer}") == QUESTION
    assert strip_boilerplate(f"{QUESTION}\r\n{trailer}\r\n") == QUESTION


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Is it red? Answer:", "Is it red?"),
        ("是红色吗\nA. 是\nB. 否答案：", "是红色吗\nA. 是\nB. 否"),
    ],
)
def test_trailers_within_the_last_line_go(text, left):
    assert strip_boilerplate(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Here are my notes.\nWrite a letter to my landlord.",
        "Here is the student.\nWrite a letter of recommendation for the best student.",
        "I have rice.\nGive me three options for dinner.",
        "Write SQL.\nSelect all customers from the options table",
        "a = 1\nb = 2\nprint a, b",
        "Which?\nThe answer is C",
        "Answer:\nwhat does that word mean?",
        "I like it.\nA",
        "Answer:",
        "答案：",
        "\n\nAnswer:",
        "",
        " \n ",
    ],
)
def test_what_only_looks_like_a_trailer_stays(text):
    assert strip_boilerplate(text) == text


PIECES = st.sampled_from(
    [
        "<system-reminder>", "</system-reminder>", "<task>", "</task>", "<user_query>",
        "</user_query>", "<ide_con", "text>", "<ide_context ", ">", "</ide_context>", "\n", " ",
        "Answer:", "答案：", "Choose the best answer.", "only the letter", "Respond with ", "what?",
        "A, B", "a",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_twice_is_once_and_never_blank(text):
    once = strip_boilerplate(text)
    assert strip_boilerplate(once) == once
    assert bool(once.strip()) == bool(text.strip())


@given(st.lists(PIECES, max_size=14).map("".join))
def test_nothing_is_added(text):
    """What is left are characters of the text, in their order."""
    rest = iter(re.sub(r"\s", "", text))
    assert all(char in rest for char in re.sub(r"\s", "", strip_boilerplate(text)))


HOSTILE = {
    "open angles": "<",
    "half tags": "<abc ",
    "long attributes": "<task " + "a" * 90,
    "open tags": "<task>",
    "closed tags": "</task>",
    "pairs": "<task></task>",
    "crossed": "<task><feedback></task></feedback>",
    "trailers": "Answer:\n",
    "inline trailers": "Answer: ",
    "verbs": "please answer ",
    "letters of a line": "answer only the letter A, ",
    "blank": " ",
    "lines": "\n",
    "colons": ":",
}


def cpu_seconds(function, argument):
    """The least CPU time of three runs: of this process alone, so a busy machine does not count."""
    times = []
    for _ in range(3):
        start = time.process_time()
        function(argument)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("name", HOSTILE)
def test_eight_times_the_text_is_not_much_more_than_eight_times_the_work(name):
    """Linear work grows 8-fold, a square law 64-fold: the bound of 24 lies far from both."""
    unit = HOSTILE[name]
    short, long = ("x </x>\n" + unit * (size // len(unit)) for size in (25_000, 200_000))
    base = max(cpu_seconds(strip_boilerplate, short), 0.001)
    assert cpu_seconds(strip_boilerplate, long) <= 24 * base
