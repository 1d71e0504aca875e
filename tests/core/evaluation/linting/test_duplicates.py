import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet
from knnrouter.embedders import StaticEmbedder
from knnrouter.text import read_query


def cosines(one, two):
    """By plain loops over the vectors of routing texts."""
    embed = StaticEmbedder().embed
    rows = [embed([read_query(text).text for text in texts]) for texts in (one, two)]
    return np.array([[float(np.dot(a, b)) for b in rows[1]] for a in rows[0]])


def records(*queries, rows=240, seed=0, **changes):
    """Clean rows, followed by rows of these queries, which copy the scores of the first rows."""
    made = clean_rows(rows, seed=seed)
    for number, query in enumerate(queries):
        made.append(made[number] | {"id": f"extra{seed}-{number}", "query": query} | changes)
    return RecordSet.from_rows(made)


def first(count, rows=240, seed=0):
    return [row["query"] for row in clean_rows(rows, seed=seed)[:count]]


def test_texts_that_are_there_twice(found):
    same = first(3)
    findings = found(records(*same, same[0]))
    assert findings["duplicate_queries"].value == 4
    # The second copy of the first text has the scores of the fourth row.
    assert findings["conflicting_duplicates"].value == 1
    assert "near_duplicate_queries" not in findings


def test_equal_scores_are_no_conflict(found):
    findings = found(records(*first(3)))
    assert findings["duplicate_queries"].value == 3
    assert "conflicting_duplicates" not in findings


def test_what_is_not_measured_is_no_conflict(found):
    assert "conflicting_duplicates" not in found(records(*first(3), cook=None))
    assert found(records(*first(3), cook=0.5))["conflicting_duplicates"].value == 3


def test_near_twins(found):
    queries = [f"Please: {query}" for query in first(30)]
    with_twins = records(*queries)
    share = found(with_twins)["near_duplicate_queries"].value
    texts = with_twins.queries
    near = cosines(texts, texts) >= 0.95
    np.fill_diagonal(near, False)
    assert near.any(axis=1).sum() == 60
    assert share == pytest.approx(60 / 270)


def test_a_twin_in_a_hundred_is_the_least(found):
    assert "near_duplicate_queries" not in found(records(f"Please: {first(1)[0]}"))
    assert "near_duplicate_queries" in found(records(*[f"Please: {q}" for q in first(2)]))


def test_leaks_from_one_file_into_the_other(found):
    train = records()
    leaked = [*first(4), *(f"Please: {query}" for query in first(9)[4:])]
    test = records(*leaked, rows=200, seed=7)
    findings = found(train, test)
    known = set(train.queries)
    assert findings["leaked_queries"].value == {
        "rows": sum(query in known for query in test.queries),
        "share": 4 / 209,
    }
    near = [query for query in test.queries if query not in known]
    count = int((cosines(near, train.queries) >= 0.95).any(axis=1).sum())
    assert count == 5
    assert findings["near_leaked_queries"].value == {"rows": count, "share": 5 / 209}
    assert "4 of the 209 rows of the second file (1.9%)" in findings["leaked_queries"].why


def test_files_that_share_nothing_leak_nothing(found):
    assert found(records(), records(seed=7)) == {}


def test_all_rows_leaked(found):
    findings = found(records(), records())
    assert findings["leaked_queries"].value == {"rows": 240, "share": 1.0}
    assert "near_leaked_queries" not in findings


def test_leaks_are_found_where_the_other_rows_were_not_measured(found):
    train, test = records(), records(*first(1), seed=7)
    scores = np.full(test.scores.shape, np.nan)
    scores[-1] = 0.5  # the row that leaks; on all others no model was measured
    bare = RecordSet(**test.as_dict() | {"scores": scores})
    assert set(found(train, bare)) == {"leaked_queries"}
