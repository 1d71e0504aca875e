import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet
from knnrouter.evaluation.linting.chance import options

LETTERS = "ABCDEFGH"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2 + 2?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:", 4),
        ("2 + 2?\n  A) 3\n  B) 4", 2),
        ("2 + 2?\n(A) 3\n(B) 4\n(C) 5", 3),
        ("2 + 2? (A) 3 (B) 4 (C) 5 (D) 6 (E) 7", 5),
        ("变压器\nA．绕组\nB、油\nC. 引线\nD. 铁芯\n答案：", 4),
        ("Name one.\nA) x\nB) y\nAnswer:\nA\n\nWhich?\nA) x\nB) y\nC) z\nAnswer:", 3),
        ("Name one.\nA) x\nB) y\nC) z\nAnswer:\nA\n\nWhich?\nA) x\nB) y\nAnswer:\nA) x", 2),
        ("Say A. or B.", 0),
        ("Is it (A) or (B)?", 0),
        ("A. Smith wrote it.\nC. Jones did not.", 0),
        ("B. 4\nC. 5\nD. 6", 0),
        ("A.\nB.\n", 0),
        ("Reverse a list.", 0),
    ],
)
def test_options(text, count):
    assert options(text) == count


def quiz(rows, *, choices, skills, asked=1.0, graded=False, seed=0):
    """Clean queries, this share of them as questions with so many options."""
    random = np.random.default_rng(seed)
    made = clean_rows(rows)
    for number, row in enumerate(made):
        if number < asked * rows:
            count = choices[number % len(choices)]
            row["query"] += "".join(f"\n{letter}. {number}{letter}" for letter in LETTERS[:count])
        for model, skill in zip(("coder", "jurist", "cook"), skills, strict=True):
            right = random.uniform() < skill
            row[model] = right * (random.uniform() if graded else 1.0)
    return RecordSet.from_rows(made)


def test_what_chance_gives_to_models_and_to_an_oracle(found):
    records = quiz(300, choices=[4, 2, 5], skills=(0.9, 0.8, 0.7))
    value = found(records)["multiple_choice"].value
    chances = [1 / [4, 2, 5][number % 3] for number in range(300)]
    assert value["share"] == 1.0
    assert value["chance"] == pytest.approx(sum(chances) / 300)
    oracles = [1 - (1 - chance) ** 3 for chance in chances]
    assert value["oracle_chance"] == pytest.approx(sum(oracles) / 300)


def test_a_simulated_oracle_of_guessers_scores_that_much(found):
    records = quiz(2_000, choices=[4], skills=(0.25, 0.25, 0.25))
    findings = found(records)
    told = findings["multiple_choice"].value["oracle_chance"]
    assert told == pytest.approx(1 - 0.75**3)
    assert records.scores.max(axis=1).mean() == pytest.approx(told, abs=0.03)
    assert set(findings["models_at_chance"].value) == {"coder", "jurist", "cook"}


def test_models_at_chance_and_nobody_else(found):
    findings = found(quiz(400, choices=[4], skills=(0.9, 0.25, 0.45)))
    records = quiz(400, choices=[4], skills=(0.9, 0.25, 0.45))
    (name, score), = findings["models_at_chance"].value.items()  # fmt: skip
    assert name == "jurist"
    assert score == pytest.approx(sum(records.scores[:, 1].tolist()) / 400)
    assert f"{score:.3f}, not clearly above the 0.250" in findings["models_at_chance"].why


def test_graded_scores_are_not_compared_with_chance(found):
    findings = found(quiz(400, choices=[4], skills=(0.3, 0.3, 0.3), graded=True))
    assert "multiple_choice" in findings
    assert "models_at_chance" not in findings


def test_few_questions_prove_nobody_a_guesser(found):
    assert "models_at_chance" in found(quiz(30, choices=[4], skills=(0.25, 0.9, 0.9)))
    assert "models_at_chance" not in found(quiz(29, choices=[4], skills=(0.25, 0.9, 0.9)))


def test_a_few_questions_with_options_are_no_finding(found):
    assert found(quiz(400, choices=[4], skills=(0.9, 0.8, 0.7), asked=0.1))["multiple_choice"]
    findings = found(quiz(400, choices=[4], skills=(0.9, 0.8, 0.7), asked=0.09))
    assert "multiple_choice" not in findings
