import re
from statistics import NormalDist

import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet


def pair(lift=0.0, *, rows=(400, 400), tasks=None, drop=0.0, seed=0):
    """Two clean files; `cook` is lifted on the first (in `tasks`), and all are lower by `drop` on
    the second."""
    made = [clean_rows(count, seed=seed + place) for place, count in enumerate(rows)]
    for row in made[0]:
        if tasks is None or row["task"] in tasks:
            row["cook"] = min(1.0, row["cook"] + lift * (1 - row["cook"]))
    for row in made[1]:
        for model in ("coder", "jurist", "cook"):
            row[model] *= 1 - drop
    return [RecordSet.from_rows(part) for part in made]


def without_tasks(records):
    return RecordSet(**records.as_dict() | {"tasks": None})


def mean(records, model, task=None):
    column = records.models.index(model)
    rows = range(len(records)) if task is None else np.flatnonzero(np.equal(records.tasks, task))
    return sum(float(records.scores[row, column]) for row in rows) / len(rows)


def test_a_model_trained_on_the_first_file(found):
    train, test = map(without_tasks, pair(0.5))
    finding = found(train, test)["inflated_train_scores"]
    gap = mean(train, "cook") - mean(test, "cook")
    assert finding.value == {"cook": pytest.approx(gap)}
    assert f"cook scores {mean(train, 'cook'):.3f} on the first file" in finding.why
    assert f"{mean(test, 'cook'):.3f} on the second, {gap:.3f} less" in finding.why


def unexplained(train, test):
    """The loss, what goes beyond the others' points, and what goes beyond their part."""
    (one, one_others), (two, two_others) = train, test
    return (
        one - two,
        (one - one_others) - (two - two_others),
        one * two_others / one_others - two,
    )


@pytest.mark.parametrize("drop", [0.0, 0.4])
def test_what_the_others_do_not_explain(drop, found):
    train, test = map(without_tasks, pair(0.5, drop=drop))
    own = [part.scores[:, 2].astype(float) for part in (train, test)]
    others = [part.scores[:, :2].astype(float).mean(axis=1) for part in (train, test)]
    figures = unexplained(*zip(map(np.mean, own), map(np.mean, others), strict=True))
    least = int(np.argmin(figures))
    random, drawn = np.random.default_rng(0), []
    for _ in range(2_000):
        rows = [random.integers(400, size=400) for _ in range(2)]
        means = [[each[place][rows[place]].mean() for each in (own, others)] for place in range(2)]
        drawn.append(unexplained(*means)[least])
    low = figures[least] - NormalDist().inv_cdf(1 - 0.025 / 3) * np.std(drawn)
    why = found(train, test)["inflated_train_scores"].why
    told = re.search(r"(0\.\d+) of it cannot be explained \(at least (0\.\d+) at 95%\)", why)
    assert float(told[1]) == pytest.approx(figures[least], abs=6e-4)
    assert float(told[2]) == pytest.approx(low, abs=0.004)


def test_contamination_of_one_task_is_named(found):
    train, test = pair(0.6, tasks={"law"})
    value = found(train, test)["inflated_train_scores"].value
    assert value == {
        "cook (law)": pytest.approx(mean(train, "cook", "law") - mean(test, "cook", "law"))
    }


@pytest.mark.parametrize("drop", [0.1, 0.25, 0.5])
def test_a_harder_file_contaminates_nobody(drop, found):
    assert found(*pair(drop=drop)) == {}
    assert found(*map(without_tasks, pair(drop=drop))) == {}


def test_a_file_that_takes_the_same_points_from_all_contaminates_nobody(found):
    train, test = map(without_tasks, pair())
    lower = RecordSet(**test.as_dict() | {"scores": np.maximum(test.scores - 0.2, 0)})
    assert "inflated_train_scores" not in found(train, lower)


def test_small_gaps_are_none(found):
    train, test = map(without_tasks, pair(0.06, rows=(4_000, 4_000)))
    assert mean(train, "cook") - mean(test, "cook") < 0.05
    assert "inflated_train_scores" not in found(train, test)


def test_noise_fires_seldom(embedder):
    """Small files of one distribution: one comparison of all in twenty, at the very most."""
    from knnrouter.evaluation.linting.contamination import check_contamination
    from knnrouter.evaluation.linting.subject import Subject

    random = np.random.default_rng(3)
    fired = 0
    for _ in range(400):
        parts = [
            RecordSet(
                ids=[str(row) for row in range(60)],
                models=("a", "b", "c"),
                scores=random.integers(2, size=(60, 3)),
            )
            for _ in range(2)
        ]
        subject = Subject(records=parts[0], other=parts[1], pool=None, embedder=embedder, seed=0)
        fired += bool(list(check_contamination(subject)))
    assert fired <= 0.05 * 400


def test_few_rows_are_not_compared(found):
    train, test = map(without_tasks, pair(0.9, rows=(400, 29)))
    assert "inflated_train_scores" not in found(train, test)


def test_other_columns_and_orders_are_matched_by_name(found):
    train, test = map(without_tasks, pair(0.5))
    turned = RecordSet(
        **test.as_dict()
        | {"models": test.models[::-1], "scores": test.scores[:, ::-1], "costs": None}
    )
    assert found(train, turned)["inflated_train_scores"].value == pytest.approx(
        found(train, test)["inflated_train_scores"].value
    )


def test_what_is_not_measured_does_not_count(found):
    train, test = map(without_tasks, pair(0.5))
    scores = test.scores.copy()
    scores[::3, 2] = np.nan
    scores[:, 0] = np.nan
    some = RecordSet(**test.as_dict() | {"scores": scores})
    value = found(train, some)["inflated_train_scores"].value
    assert value["cook"] == pytest.approx(mean(train, "cook") - np.nanmean(scores[:, 2]))


def test_files_without_a_common_model(found):
    train, test = pair()
    renamed = RecordSet(**test.as_dict() | {"models": ("x", "y", "z")})
    finding = found(train, renamed)["no_common_models"]
    assert finding.value == 0
    assert "coder, jurist, cook in the first, x, y, z in the second" in finding.why


def test_a_single_model_is_compared_with_itself(found):
    train, test = pair(0.5)
    only = [
        RecordSet(
            ids=part.ids, queries=part.queries, models=("cook",), scores=part.scores[:, 2:],
            costs=part.costs[:, 2:],
        )
        for part in (train, test)
    ]  # fmt: skip
    assert set(found(*only)) == {"one_model", "inflated_train_scores"}


def test_a_weak_model_that_loses_the_same_points_was_not_trained_on_the_file(found):
    train, test = map(without_tasks, pair())
    levels = np.array([0.75, 0.75, 0.3])
    parts = [
        RecordSet(**part.as_dict() | {"scores": levels - lost + 0.2 * (part.scores - 0.5)})
        for part, lost in ((train, 0.0), (test, 0.2))
    ]
    assert parts[0].scores[:, 2].mean() - parts[1].scores[:, 2].mean() == pytest.approx(
        0.2, abs=0.02
    )
    assert "inflated_train_scores" not in found(*parts)
