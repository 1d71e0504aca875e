import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet
from knnrouter.evaluation import best_single, query_oracle


def raised(lift, *, but=0, rows=400, tasks=True):
    """Clean records where `cook` is the best on every row, but for so many."""
    made = clean_rows(rows)
    for number, row in enumerate(made):
        top = max(row["coder"], row["jurist"])
        if number >= but:
            row["cook"] = max(row["cook"], top + lift * (1 - top))
        elif number < but:
            row["cook"] = 0.0
        if not tasks:
            row["task"] = None
    return RecordSet.from_rows(made)


def test_an_oracle_that_gains_nothing(found):
    records = raised(0.5, tasks=False)
    finding = found(records)["dominant_model"]
    scores = records.scores.astype(float)
    assert finding.value == {
        "quality": pytest.approx(best_single(scores, scores).mean()),
        "oracle": pytest.approx(query_oracle(scores).mean()),
    }
    assert finding.why.startswith("cook scores")
    assert "gains 0.0000, at most 0.0000" in finding.why


def test_the_gain_is_judged_by_the_upper_end_of_its_interval(found):
    records = raised(0.5, but=4, tasks=False)
    scores = records.scores.astype(float)
    gains = query_oracle(scores) - best_single(scores, scores)
    top = gains.mean() + 1.959964 * gains.std(ddof=1) / np.sqrt(len(gains))
    assert gains.mean() < 0.01 < top
    assert "dominant_model" not in found(records)


def test_the_best_on_each_task(found):
    made = clean_rows(400)
    for row in made:
        row["cook"] = 1 - (1 - row["cook"]) ** 6
    records = RecordSet.from_rows(made)
    tasks = set(records.tasks)
    for task in tasks:
        means = records.scores[np.equal(records.tasks, task)].mean(axis=0)
        assert means.argmax() == 2
    value = found(records)["dominant_model"].value
    assert value["tasks_led"] == len(tasks) == 4
    assert value["oracle"] > value["quality"] + 0.01


def test_without_tasks_only_the_oracle_counts(found):
    made = clean_rows(400)
    for row in made:
        row["cook"] = 1 - (1 - row["cook"]) ** 6
        row["task"] = None
    assert "dominant_model" not in found(RecordSet.from_rows(made))


def test_one_task_alone_is_no_rule(found):
    made = clean_rows(400)
    for row in made:
        row["cook"] = 1 - (1 - row["cook"]) ** 6
        row["task"] = "only"
    assert "dominant_model" not in found(RecordSet.from_rows(made))
