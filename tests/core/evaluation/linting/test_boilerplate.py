from collections import Counter

import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet
from knnrouter.evaluation.linting.boilerplate import shared_lengths
from knnrouter.text import read_query


def dressed(start="", end="", *, rows=240, every=1):
    """Clean records, each `every`-th query with a template around it."""
    made = clean_rows(rows)
    for row in made[::every]:
        row["query"] = f"{start}{row['query']}{end}"
    return RecordSet.from_rows(made)


def counted(texts):
    """By brute force: for each text the longest start that nine in ten have in common."""
    lengths = []
    for text in texts:
        length = 0
        while length < len(text):
            others = sum(each.startswith(text[: length + 1]) for each in texts)
            if others < 0.9 * len(texts):
                break
            length += 1
        lengths.append(length if any(map(str.isalpha, text[:length])) else 0)
    return [length if length >= 3 else 0 for length in lengths]


def test_shared_lengths_are_those_of_brute_force():
    random = np.random.default_rng(2)
    starts = random.choice(["Answer briefly: ", "Answer: ", "Answer briefly and well: "], 60)
    texts = [f"{start}{row['query']}" for start, row in zip(starts, clean_rows(60), strict=True)]
    texts[3], texts[40] = "Why?", "Answer"
    expected = counted(texts)
    assert len(Counter(expected)) > 1
    assert shared_lengths(texts, [None] * 60).tolist() == expected
    backward = [text[::-1] for text in texts]
    assert shared_lengths(backward, [None] * 60).tolist() == expected


def test_a_template_that_routing_text_leaves_out(found):
    records = dressed(end="\nAnswer:")
    value = found(records)["shared_boilerplate"].value
    characters = sum(len(text) for text in records.queries)
    # Clean queries end with "?", which is shared by all, too.
    assert value == {
        "prompts": 1.0,
        "characters": pytest.approx(240 * len("?\nAnswer:") / characters),
        "routed_characters": 0.0,
    }


def test_a_template_that_stays(found):
    start = "The following is a question of an exam. Read it twice.\n\n"
    records = dressed(start)
    finding = found(records)["shared_boilerplate"]
    routed = [read_query(text).text for text in records.queries]
    expected = 240 * len(start) / sum(map(len, routed))
    assert finding.value["routed_characters"] == pytest.approx(expected)
    assert finding.todo.startswith("Cut the shared text")
    assert f"in the routing text it is {expected:.1%}" in finding.why


def test_a_template_of_a_task_is_one(found):
    made = clean_rows(240)
    for row in made:
        row["query"] = f"{row['task']}: {row['query']}"
    value = found(RecordSet.from_rows(made))["shared_boilerplate"].value
    characters = sum(len(row["query"]) for row in made)
    assert value["prompts"] == 1.0
    assert value["characters"] == pytest.approx(
        sum(len(f"{row['task']}: ") for row in made) / characters
    )


def test_a_template_of_few_prompts_is_no_finding(found):
    made = clean_rows(240)
    for row in made:
        if row["task"] == "law":
            row["query"] = f"Your Honor, {row['query']}"
    assert "shared_boilerplate" not in found(RecordSet.from_rows(made))


def test_marks_and_short_files_are_no_template(found):
    assert "shared_boilerplate" not in found(dressed('"""\n', '\n"""'))
    assert "shared_boilerplate" not in found(dressed("Question: ", rows=19))
    assert "shared_boilerplate" in found(dressed("Question: ", rows=20))


def test_prompts_that_are_nothing_but_a_template():
    texts = ["the same words"] * 20
    assert shared_lengths(texts, [None] * 20).tolist() == [14] * 20
    assert shared_lengths([], []).tolist() == []


@pytest.mark.parametrize(("with_it", "length"), [(36, len("Question: ")), (35, 0)])
def test_nine_in_ten_have_a_template(with_it, length):
    texts = [row["query"] for row in clean_rows(40)]
    texts[:with_it] = [f"Question: {text}" for text in texts[:with_it]]
    found = shared_lengths(texts, [None] * 40).tolist()
    assert found == [length] * with_it + [0] * (40 - with_it)
