import json

import numpy as np
import pytest

from knnrouter.errors import RecordsError
from knnrouter.ingest import read_records

NAN = float("nan")
HEAD = "query,model_a,model_b,winner\n"


def test_arena_jsonl(write):
    rows = [
        {
            "question_id": "q7",
            "model_a": "zeta",
            "model_b": "alpha",
            "winner": "model_b",
            "judge": "arena_user_1",
            "conversation_a": [
                {"role": "user", "content": "Name a river."},
                {"role": "assistant", "content": "The Elbe."},
                {"role": "user", "content": "Another."},
            ],
            "conversation_b": [],
            "turn": 2,
            "language": "English",
        },
        {
            "question_id": "q8",
            "model_a": "alpha",
            "model_b": "mid",
            "winner": "tie (bothbad)",
            "conversation_a": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Name a lake."},
            ],
        },
    ]
    records = read_records(write("arena.jsonl", "\n".join(map(json.dumps, rows))))
    assert records.ids == ("q7", "q8")
    assert records.queries == ("Name a river.", "Name a lake.")
    assert records.models == ("alpha", "mid", "zeta")
    np.testing.assert_array_equal(records.scores, [[1, NAN, 0], [0.5, 0.5, NAN]])
    assert records.preferences == ()
    assert records.notes == (
        "recognized as: preferences (JSONL)",
        "a row is a comparison: the winner scores 1, the other 0, a tie 0.5 for both",
        "1 tie in which both answers were called bad, read as ties",
        "2 of 6 scores not measured (33.3%)",
    )


def test_flags_instead_of_a_winner_and_prompts_as_lists_of_turns(write):
    path = write(
        "train.csv",
        "id,model_a,model_b,prompt,response_a,winner_model_a,winner_model_b,winner_tie\n"
        '30192,small,large,"[""First turn"",""second turn""]",x,1,0,0\n'
        '30193,large,small,"[null,""Only turn""]",x,0,1,0\n'
        "30194,small,large,[1,x,0,0,1\n",
    )
    records = read_records(path)
    assert records.ids == ("30192", "30193", "30194")
    assert records.queries == ("First turn", "Only turn", "[1")
    assert records.models == ("large", "small")
    np.testing.assert_array_equal(records.scores, [[0, 1], [0, 1], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("winner", "scores"),
    [
        ("model_a", [1, 0]),
        ("model_b", [0, 1]),
        ("s", [1, 0]),
        ("t", [0, 1]),
        (" model_a ", [1, 0]),
        ("Tie", [0.5, 0.5]),
        ("tie (bothbad)", [0.5, 0.5]),
        ("both_bad", [0.5, 0.5]),
    ],
)
def test_winners(write, winner, scores):
    records = read_records(write("a.csv", f"{HEAD}Why?,s,t,{winner}\n"))
    np.testing.assert_array_equal(records.scores, [scores])
    assert records.ids == ("a-1",)


def test_one_query_may_be_compared_many_times(write):
    records = read_records(write("a.csv", f"{HEAD}Why?,s,t,tie\nWhy?,s,t,model_a\nWhy?,u,s,u\n"))
    assert records.models == ("s", "t", "u")
    expected = [[0.5, 0.5, NAN], [1, 0, NAN], [0, NAN, 1]]
    np.testing.assert_array_equal(records.scores, expected)
    assert "2 rows with the text of an earlier row (see drop_duplicates)" in records.notes


def test_models_may_be_left_out(write):
    path = write("a.csv", f"{HEAD}Why?,s,t,tie\nWho?,s,u,model_a\n")
    records = read_records(path, ignore=["u"])
    assert (records.queries, records.models) == (("Why?",), ("s", "t"))
    assert "1 comparison with a model in `ignore`, left out" in records.notes
    with pytest.raises(RecordsError, match="ignore has 'v', but there is no such model"):
        read_records(path, ignore=["v"])


def test_all_bad_rows_are_reported_at_once(write):
    path = write(
        "a.csv",
        f"{HEAD}Why?,s,s,tie\nWho?,s,t,nobody\n,s,t,model_a\nWhat?,,t,model_a\nHow?,s,t,s\n",
    )
    with pytest.raises(RecordsError) as refused:
        read_records(path)
    assert refused.value.problems == (
        f"{path}:2: model_a and model_b are both 's'; a model cannot be compared with itself: "
        "name two models, or leave the row out",
        f"{path}:3: winner: 'nobody' is neither of the two models; give model_a, model_b or tie, "
        "or the name of the model",
        f"{path}:4: query: it is empty; a query without text cannot be routed on: leave the row "
        "out",
        f"{path}:5: model_a: it is absent or empty; name the two models that answered",
    )
    records = read_records(path, on_bad_row="skip")
    assert records.queries == ("How?",)
    assert records.ids == ("a-5",)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"winner_model_a": 1, "winner_model_b": 1, "winner_tie": 0}, "just one of the three is 1"),
        ({"winner_model_a": 0, "winner_model_b": "x", "winner_tie": 1}, "winner_model_b 'x'"),
        ({"winner": None}, "winner: None is neither of the two models"),
        ({"winner": "tie", "prompt": [{"role": "assistant", "content": "x"}]}, "no turn of a user"),
        ({"winner": "tie", "prompt": None}, "query: None is not text"),
        ({"winner": "tie", "id": [1]}, r"id: \[1\] is neither text nor a number"),
        ({"winner": "tie", "model_b": "t\n"}, "model_b: character 2"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(write, row, said):
    row = {"prompt": "Why?", "model_a": "s", "model_b": "t"} | row
    with pytest.raises(RecordsError, match=said):
        read_records(write("a.jsonl", json.dumps(row)), format="preferences")


def test_scores_cannot_be_mapped(write):
    path = write("a.csv", f"{HEAD}Why?,s,t,tie\n")
    with pytest.raises(RecordsError, match=r"scale=\(1, 5\) is given, and preferences have no"):
        read_records(path, scale=(1, 5))
    with pytest.raises(RecordsError, match=r"threshold=0.5 is given, and preferences have no"):
        read_records(path, threshold=0.5)


def test_columns_that_lack_are_named(write):
    path = write("a.csv", "query,model_a,score\nWhy?,s,1\n")
    with pytest.raises(RecordsError, match=r"no column `model_b`, `winner`; the columns are query"):
        read_records(path, format="preferences")
