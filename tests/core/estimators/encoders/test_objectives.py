import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.estimators.encoders.objectives import balanced, class_loss, score_loss

torch = pytest.importorskip("torch")
NAN = float("nan")
LOGITS = st.floats(-4, 4, width=32)
SCORES = st.one_of(st.floats(0, 1, width=32), st.just(NAN))
WEIGHTS = st.floats(0.5, 4, width=32)


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def score_loss_slowly(logits, targets, weights, right):
    total = weight = 0.0
    for row, counts in enumerate(weights):
        for place, target in enumerate(targets[row]):
            if not math.isnan(target):
                chance = sigmoid(logits[row][place])
                loss = right[place] * target * math.log(chance)
                loss += (1 - target) * math.log(1 - chance)
                total, weight = total - counts * loss, weight + counts
    return total, weight


@given(
    st.lists(
        st.tuples(LOGITS, LOGITS, SCORES, SCORES, WEIGHTS),
        min_size=1,
        max_size=4,
    )
)
def test_scores_as_spelled_out(rows):
    logits, targets = [row[:2] for row in rows], [row[2:4] for row in rows]
    weights, right = [row[4] for row in rows], [2.0, 0.5]
    total, weight = score_loss(
        torch.tensor(logits),
        torch.tensor(targets),
        torch.tensor(weights),
        right=torch.tensor(right),
    )
    expected = score_loss_slowly(logits, targets, weights, right)
    assert [float(total), float(weight)] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_row_of_two_measurements_is_two_rows():
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.1]])
    targets = torch.tensor([[1.0, 0.25], [NAN, 0.0]])
    once = score_loss(logits, targets, torch.tensor([2.0, 1.0]))
    twice = score_loss(logits[[0, 0, 1]], targets[[0, 0, 1]], torch.ones(3))
    assert [float(each) for each in once] == pytest.approx([float(each) for each in twice])


def test_what_was_not_measured_pulls_nowhere():
    logits = torch.tensor([[0.3, -1.0]], requires_grad=True)
    total, weight = score_loss(logits, torch.tensor([[1.0, NAN]]), torch.tensor([3.0]))
    (total / weight).backward()
    assert logits.grad.tolist() == [[pytest.approx(sigmoid(0.3) - 1), 0.0]]


def test_classes_as_spelled_out():
    logits = [[1.0, 2.0, 0.0], [0.0, 0.0, 5.0], [3.0, 1.0, 1.0]]
    targets, weights = [[2.0], [NAN], [0.0]], [1.0, 9.0, 2.0]
    losses = [
        -math.log(math.exp(row[int(target)]) / sum(map(math.exp, row)))
        for row, (target,) in [(logits[0], targets[0]), (logits[2], targets[2])]
    ]
    total, weight = class_loss(*map(torch.tensor, (logits, targets, weights)))
    assert float(total) == pytest.approx(losses[0] + 2 * losses[1])
    assert float(weight) == 3.0


def test_balanced_as_scikit_learn_has_it():
    """Over the list of all right models, as the authors have it."""
    from sklearn.utils.class_weight import compute_class_weight

    scores = np.random.default_rng(0).integers(0, 2, (40, 3)).astype(float)
    scores[:30, 2] = 0.0
    right = np.nonzero(scores)[1]
    weights = compute_class_weight("balanced", classes=np.arange(3), y=right)
    assert balanced(scores, np.ones(40)).tolist() == pytest.approx(weights.tolist())


def test_balanced_without_a_right_answer():
    scores = np.array([[0.0, NAN, 1.0, 1.0], [0.0, NAN, NAN, 1.0]])
    assert balanced(scores, np.ones(2)).tolist() == [1.0, 1.0, 1.5, 0.75]
