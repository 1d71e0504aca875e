import itertools
import math

import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import RecordSet

NAN = math.nan


def records(scores):
    """Records of these scores, with a text of its own for each row."""
    rows = clean_rows(len(scores))
    return RecordSet(
        ids=[row["id"] for row in rows],
        queries=[row["query"] for row in rows],
        models=[f"m{column}" for column in range(len(scores[0]))],
        scores=scores,
    )


def test_ties_of_four_rows(found):
    scores = [[1, 1, 0], [1, 1, 1], [0, 0, 0], [0, 0.5, 0.25]]
    findings = found(records(scores))
    assert findings["tied_best"].value == 0.75
    assert findings["all_equal_rows"].value == 0.5
    assert findings["all_zero_rows"].value == 0.25
    order = findings["order_sensitive_labels"].value
    assert order == {
        "depend_on_order": 0.75,
        "change_when_shuffled": pytest.approx((1 / 2 + 2 / 3 + 2 / 3 + 0) / 4),
    }


def test_ties_are_counted_as_a_plain_loop_counts_them(found):
    random = np.random.default_rng(5)
    scores = random.choice([0.0, 0.5, 1.0, NAN], size=(90, 4), p=[0.2, 0.1, 0.4, 0.3])
    scores[::7] *= 0  # rows that nobody solves
    counted = tied = equal = zero = 0
    for row in scores.tolist():
        known = [score for score in row if not math.isnan(score)]
        if len(known) < 2:
            continue
        counted += 1
        tied += known.count(max(known)) > 1
        equal += len(set(known)) == 1
        zero += max(known) == 0
    assert 0 < counted < 90
    findings = found(records(scores))
    assert findings["tied_best"].value == pytest.approx(tied / counted)
    assert findings["all_equal_rows"].value == pytest.approx(equal / counted)
    assert findings["all_zero_rows"].value == pytest.approx(zero / counted)


def test_the_share_of_changed_labels_is_that_of_all_pairs_of_orders(found):
    scores = np.random.default_rng(1).choice([0.0, 1.0], size=(20, 3))
    orders = list(itertools.permutations(range(3)))
    labels = [[order[int(np.argmax(row[list(order)]))] for row in scores] for order in orders]
    pairs = itertools.product(labels, repeat=2)
    changed = np.mean([a != b for one, two in pairs for a, b in zip(one, two, strict=True)])
    ever = np.mean([len(set(row)) > 1 for row in zip(*labels, strict=True)])
    value = found(records(scores))["order_sensitive_labels"].value
    assert value["change_when_shuffled"] == pytest.approx(changed)
    assert value["depend_on_order"] == pytest.approx(ever)


@pytest.mark.parametrize(
    ("code", "row", "share"),
    [
        ("tied_best", [0.5, 0.5, 0.25], 0.5),
        ("order_sensitive_labels", [0.5, 0.5, 0.25], 0.1),
        ("all_equal_rows", [0.5, 0.5, 0.5], 0.1),
        ("all_zero_rows", [0, 0, 0], 0.1),
    ],
)
def test_below_its_threshold_a_check_is_silent(code, row, share, found):
    fine = [[0.25, 0.5, 1]] * 100
    enough = round(100 * share)
    assert code in found(records([row] * enough + fine[enough:]))
    assert code not in found(records([row] * (enough - 1) + fine[enough - 1 :]))


def test_the_shares_stand_in_the_sentences(found):
    findings = found(records([[1, 1]] * 3 + [[0, 0.5]]))
    assert "On 75.0% of the rows" in findings["tied_best"].why
    assert "37.5% of the labels change" in findings["order_sensitive_labels"].why
