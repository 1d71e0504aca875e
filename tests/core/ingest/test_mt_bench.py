"""MT-Bench: two files of our own, read value by value, and everything that can be wrong in them."""

import json

import numpy as np
import pytest

from knnrouter.errors import RecordsError
from knnrouter.ingest import read_records

NAN = float("nan")
MEANS = "a query is the first turn of a question, a score the mean over its turns"

QUESTIONS = [
    {"question_id": 1, "category": "math", "turns": ["Add 2 and 2.", "Now subtract 1."]},
    {"question_id": 2, "category": "poems", "turns": ["Write a poem.", "Make it rhyme."]},
    {"question_id": 3, "turns": ["Who wrote Emma?"], "reference": ["Austen"]},
]


def judged(question, model, *scores, judge="gpt-4"):
    """Judgements of one model's answers to the turns of a question."""
    prompts = ("single-v1", "single-v1-multi-turn")
    return [
        {
            "question_id": question,
            "model": model,
            "judge": [judge, prompt],
            "judgment": "Good.",
            "turn": turn,
            "score": score,
        }
        for turn, (score, prompt) in enumerate(zip(scores, prompts, strict=False), start=1)
    ]


JUDGEMENTS = [
    *judged(3, "large", 10),
    *judged(1, "small", 4, 1),
    *judged(1, "large", 10, 8.5),
    *judged(2, "large", 7, 7),
    *judged(2, "small", 10, 4),
    *judged(3, "small", 1),
]


def jsonl(rows):
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.fixture
def bench(write):
    """Write questions and judgements into a folder, and give its path."""

    def _bench(questions=QUESTIONS, judgements=JUDGEMENTS, name="judgements.jsonl"):
        write(f"bench/{name}", jsonl(judgements))
        return write("bench/question.jsonl", jsonl(questions)).parent

    return _bench


def problems_of(path, *args, **options):
    with pytest.raises(RecordsError) as caught:
        read_records(path, *args, **options)
    return caught.value.problems


# Good input.


@pytest.mark.parametrize("name", ["judgements.jsonl", "model_judgment/gpt-4_single.jsonl"])
def test_folder(bench, name):
    records = read_records(bench(name=name))
    assert records.ids == ("1", "2", "3")
    assert records.queries == ("Add 2 and 2.", "Write a poem.", "Who wrote Emma?")
    assert records.tasks == ("math", "poems", None)
    assert records.groups is None
    assert records.models == ("large", "small")  # in the order of the judgements
    ninths = np.array([[8.25, 1.5], [6, 6], [9, 0]])  # means less 1
    np.testing.assert_allclose(records.scores, ninths / 9, rtol=1e-7)
    assert np.isnan(records.costs).all()
    assert records.notes == ("recognized as: mt_bench (folder)", MEANS)


@pytest.mark.parametrize("name", ["judgements.jsonl", "model_judgment/gpt-4_single.jsonl"])
def test_one_file_beside_or_below_its_questions(bench, name):
    folder = bench(name=name)
    records = read_records(folder / name)
    assert records.notes == ("recognized as: mt_bench (JSONL)", MEANS)
    np.testing.assert_array_equal(records.scores, read_records(folder).scores)


def test_one_file_in_the_working_folder(bench, monkeypatch):
    folder = bench(name="model_judgment/gpt-4_single.jsonl")
    monkeypatch.chdir(folder / "model_judgment")
    assert read_records("gpt-4_single.jsonl").ids == ("1", "2", "3")


def test_several_files_of_judgements_are_one(bench, write):
    folder = bench(judgements=JUDGEMENTS[:4])
    write("bench/more.jsonl", jsonl(JUDGEMENTS[4:]))
    write("bench/contaminated_prompts.jsonl", '{"eval_prompt": "Add 2 and 2."}\n')
    compared = {"question_id": 1, "model_1": "small", "model_2": "large", "g1_winner": "tie"}
    write("bench/model_judgment/gpt-4_pair.jsonl", jsonl([compared]))
    records = read_records(folder)
    assert records.scores.shape == (3, 2)
    assert not np.isnan(records.scores).any()
    assert records.notes[1:] == (
        "gpt-4_pair.jsonl is left out: it compares answers, and has no scores",
        MEANS,
    )


def test_a_csv_beside_it_does_not_hide_it(bench, write):
    folder = bench()
    write("bench/notes.csv", "prompt,small\nAdd 2 and 2.,1\n")
    assert read_records(folder).notes[0] == "recognized as: mt_bench (folder)"
    assert read_records(folder, "routellm").models == ("small",)


def test_failed_judgements_are_not_measured(bench):
    failed = [
        *judged(1, "small", 4, -1),
        *judged(1, "large", 10, 8),
        *judged(2, "small", None, 3),
        *judged(2, "large", 10, 10),
    ]
    records = read_records(bench(QUESTIONS[:2], failed))
    np.testing.assert_allclose(records.scores, [[NAN, 8 / 9], [NAN, 1]], rtol=1e-6)
    assert records.notes[2:] == (
        "2 judgements without a score, where the judge failed",
        "2 means not taken, because a turn has no score",
        "2 of 4 scores not measured (50.0%)",
    )


def test_a_turn_that_only_the_other_model_was_judged_on(bench):
    uneven = [*judged(1, "small", 4), *judged(1, "large", 10, 8)]
    uneven += [*judged(2, "small", 1), *judged(2, "large", 10)]
    records = read_records(bench(judgements=uneven))
    assert records.ids == ("1", "2")
    np.testing.assert_allclose(records.scores, [[NAN, 8 / 9], [0, 1]], rtol=1e-6)
    assert records.models == ("small", "large")
    assert records.notes[2:] == (
        "1 mean not taken, because a turn has no score",
        "1 question with turns on which no model was judged",
        "1 of 3 questions without judgements, left out",
        "1 of 4 scores not measured (25.0%)",
    )


def test_another_range_and_a_threshold(bench):
    folder = bench()
    scaled = read_records(folder, scale=(0, 10)).scores
    np.testing.assert_allclose(scaled[:, 1], [0.25, 0.7, 0.1], rtol=1e-6)
    above = read_records(folder, threshold=7).scores  # of the means 9.25 2.5, 7 7, 10 1
    np.testing.assert_array_equal(above, [[1, 0], [0, 0], [1, 0]])


def test_ignored_models(bench):
    folder = bench(judgements=[*JUDGEMENTS, {"model": "broken"}])
    assert read_records(folder, ignore=["small", "broken"]).models == ("large",)
    (problem,) = problems_of(folder, ignore=["broken", "smal"])
    assert problem == (
        f"{folder}: ignore has 'smal', but there is no such model; the models are 'large', "
        "'small', 'broken': did you mean 'small'?"
    )


def test_ids_are_the_same_as_text_and_as_number(bench):
    texts = [each | {"question_id": str(each["question_id"])} for each in QUESTIONS]
    floats = [each | {"turn": float(each["turn"])} for each in JUDGEMENTS]
    assert read_records(bench(texts, floats)).ids == ("1", "2", "3")


def test_a_judge_may_be_a_name_or_absent(bench):
    plain = [each | {"judge": "gpt-4"} for each in JUDGEMENTS]
    nobody = [{key: each[key] for key in each if key != "judge"} for each in JUDGEMENTS]
    for judgements in (plain, nobody):
        assert read_records(bench(judgements=judgements)).scores.shape == (3, 2)


# Refused: files.


def test_a_folder_without_judgements(bench):
    folder = bench()
    (folder / "judgements.jsonl").unlink()
    assert problems_of(folder) == (
        f"{folder}: question.jsonl is there, but no judgements; put a *.jsonl with question_id, "
        "model, turn and score beside it, or into a folder model_judgment there",
    )


def test_judgements_without_questions(bench):
    folder = bench()
    (folder / "question.jsonl").unlink()
    path = folder / "judgements.jsonl"
    assert problems_of(path) == (
        f"{path}: holds judgements, but there is no question.jsonl beside it or in the folder "
        "above; a router learns from what was asked: put it there",
    )
    assert problems_of(folder, "mt_bench") == (
        f"{folder}: there is no question.jsonl in the folder; name the folder that holds it",
    )
    (unknown,) = problems_of(folder)
    assert "the folder holds no benchmark format that is known" in unknown
    assert "MT-Bench: judgements in a jsonl" in unknown


def test_the_questions_alone(bench):
    path = bench() / "question.jsonl"
    assert problems_of(path) == (
        f"{path}: holds no judgements, which have question_id, model, turn and score; the columns "
        "are question_id, category, turns, reference: name the file of the judgements, or the "
        "folder that holds it and question.jsonl",
    )


def test_another_question_file_is_no_mt_bench(write):
    folder = write("other/question.jsonl", '{"question": "Add 2 and 2.", "answer": 4}\n').parent
    (problem,) = problems_of(folder)
    assert "the folder holds no benchmark format that is known" in problem


def test_a_table_of_queries_stays_a_table(write):
    row = '{"query": "a", "question_id": 1, "turns": 2, "model": "m", "score": 1}'
    path = write("table.jsonl", row)
    ignored = ["question_id", "turns"]
    assert read_records(path, ignore=ignored).notes[0] == "recognized as: table (JSONL)"


def test_several_judges(bench):
    folder = bench(judgements=[*JUDGEMENTS, *judged(1, "small", 5, 2, judge="claude")])
    assert problems_of(folder) == (
        f"{folder}: the scores are those of several judges: claude, gpt-4; judges differ in what "
        "they call good: name a file with the judgements of one",
    )


# Refused: rows.


def test_every_bad_question_and_judgement_is_reported_with_its_line(bench):
    questions = [
        *QUESTIONS[:2],
        "{",
        {"question_id": 4, "category": ["math"], "turns": "Add."},
        {"turns": ["Add.", " "]},
        QUESTIONS[0],
    ]
    judgements = [
        *JUDGEMENTS[1:5],
        *judged(9, "small", 5),
        *judged(1, "other", 11, "good"),
        {"question_id": 1, "model": "other", "turn": 3, "score": 5},
        {"question_id": None, "model": "", "turn": 0, "score": True},
        *judged(4, "small", 5, 6),
        *judged(1, "small", 4),
        "[1]",
    ]
    folder = bench(questions, judgements)
    asked, scored = folder / "question.jsonl", folder / "judgements.jsonl"
    problems = problems_of(folder)
    starts = [
        f"{asked}:3: not JSON (",
        f"{asked}:4: category: ['math'] is neither text nor a number; give one of the two. "
        "turns: 'Add.' is not a list of texts; give [first turn, second turn, …]",
        f"{asked}:5: question_id: it is absent or empty; give each question an id, and name it "
        "here. turns: it is empty; ",
        f"{scored}:5: question_id: no question has the id '9'; name the judgements and the "
        "questions of one benchmark, or leave the judgement out",
        f"{scored}:6: score: 11.0 is outside scale=(1, 10); correct it, or the scale",
        f"{scored}:7: score: 'good' is not a number; a score is one, and -1 where the judge "
        "failed: correct it",
        f"{scored}:8: turn: 3 is judged, but question '1' has 2 turns; ",
        f"{scored}:9: question_id: it is absent or empty; give each question an id, and name it "
        "here. model: it is absent or empty; every judgement names one model. turn: 0 is not the "
        "number of a turn; give 1 for the first one. score: True is not a number; ",
        f"{scored}:13: a JSON list where an object belongs; ",
        f"{scored}:12: turn 1 of question '1' by 'small' is already judged at {scored}:1; keep one "
        "of the two",
        f"{asked}:6: id '1' is already the id of {asked}:1; give each row its own",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start)


def test_bad_rows_can_be_skipped(bench):
    judgements = [*judged(1, "small", 4, 11), *judged(1, "large", 10, 8), *judged(2, "large", 4, 1)]
    judgements += judged(2, "small", 4, 1) + judged(2, "small", 10)
    records = read_records(bench([*QUESTIONS[:2], {"turns": []}], judgements), on_bad_row="skip")
    np.testing.assert_allclose(records.scores, [[NAN, 8 / 9], [1.5 / 9, 1.5 / 9]], rtol=1e-6)
    assert records.notes[2] == "1 mean not taken, because a turn has no score"
    assert records.notes[3].startswith("3 bad rows skipped; the first: ")


@pytest.mark.parametrize(
    "turn", [None, "", "one", 1.5, -1, True, pytest.param(10**400, id="endless")]
)
def test_what_is_no_turn(bench, turn):
    (problem,) = problems_of(bench(judgements=[*JUDGEMENTS, JUDGEMENTS[0] | {"turn": turn}]))
    assert "judgements.jsonl:11: turn: " in problem
    assert "is not the number of a turn; give 1 for the first one" in problem


@pytest.mark.parametrize("score", ["good", True, "true", [5], -2, 0, 10.5, float("inf")])
def test_what_is_no_score(bench, score):
    (problem,) = problems_of(bench(judgements=[*JUDGEMENTS[1:], *judged(3, "large", score)]))
    assert "judgements.jsonl:10: score: " in problem
    assert "is not a number; a score is one" in problem or "is outside scale=(1, 10)" in problem


@pytest.mark.parametrize("model", [["small"], {"small": 1}, True, "sm\nall"])
def test_what_is_no_model(bench, model):
    judgements = [*JUDGEMENTS, JUDGEMENTS[0] | {"model": model}]
    (problem,) = problems_of(bench(judgements=judgements), ignore=["small"])
    assert "judgements.jsonl:11: model: " in problem


@pytest.mark.parametrize("turns", [None, [], ["a", 5], {"a": 1}, [{"content": "Add."}]])
def test_what_are_no_turns(bench, turns):
    questions = [*QUESTIONS[:2], QUESTIONS[2] | {"turns": turns}]
    (problem,) = problems_of(bench(questions))
    assert "question.jsonl:3: turns: " in problem
    assert "is not a list of texts; give [first turn, second turn, …]" in problem
