"""Words that say little: which they are, that they weigh an eighth, and what comes of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from knnrouter.embedders import StaticEmbedder, static
from knnrouter.text import content_words

SCRIPT = Path(__file__).parents[3] / "scripts" / "distill_static.py"
SHIPPED = Path(static.__file__).with_name("static_data")


@pytest.fixture(scope="module")
def distill():
    spec = importlib.util.spec_from_file_location("distill_static", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_is_one_token_and_stands_once(distill):
    words = distill.faint_words()
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    assert len(set(words)) == len(words) == 283
    assert [word for word in words if tokenizer.token_to_id(word) is None] == []


def test_no_word_without_content_is_forgotten(distill):
    assert {"please", "the", "hello", "question", "answer"} <= set(distill.faint_words())
    assert not {"python", "integral", "day", "river"} & set(distill.faint_words())
    empty = "a about please thanks which would you hi could it my the what help"
    without = [word for word in empty.split() if content_words(word) == 0]
    assert set(without) <= set(distill.faint_words())
    assert len(without) > 10


def test_the_shipped_vectors_were_made_with_the_weight_that_the_script_states(distill):
    assert json.loads((SHIPPED / "meta.json").read_text())["faint_weight"] == distill.FAINT == 1 / 8


def test_what_stands_around_a_question_moves_it_little():
    plain = "Which enzyme rises first in the blood after a heart attack?"
    rows = StaticEmbedder().embed([plain, f"Hello! Please help me with this question: {plain}"])
    assert rows[0] @ rows[1] > 0.99  # at full weight 0.85


def test_a_text_of_nothing_else_still_has_a_row():
    rows = StaticEmbedder().embed(["What is it?", "Please help me."])
    assert (rows**2).sum(axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert rows[0] @ rows[1] < 0.9
