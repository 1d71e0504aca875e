"""What fine-tuning makes small: losses over labels of which some are missing, rows weighted.

Each gives a sum and the weight that it is of, so that batches add up to the mean over all rows. A
label that is NaN counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Objective", "balanced", "class_loss", "score_loss"]

Objective: TypeAlias = "Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]"
"""Takes logits (b, o), targets (b, t) and the weights of the rows (b,)."""


def score_loss(
    logits: Tensor, targets: Tensor, weights: Tensor, *, right: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The cross-entropy of scores in [0, 1] with a sigmoid each.

    Args:
        logits: Shape (b, o).
        targets: What was scored, NaN where nothing was; shape (b, o).
        weights: How many measurements each row stands for; shape (b,).
        right: How much more a right answer counts than a wrong one, one number an output; None: as
            much.

    Example:
        >>> import torch
        >>> scores = torch.tensor([[1.0, float("nan")]])
        >>> total, weight = score_loss(torch.zeros(1, 2), scores, torch.tensor([3.0]))
        >>> round(float(total / weight), 4), float(weight)
        (0.6931, 3.0)
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    measured = ~torch.isnan(targets)
    each = binary_cross_entropy_with_logits(
        logits, torch.nan_to_num(targets), reduction="none", pos_weight=right
    )
    counts = weights[:, None] * measured
    return (each * counts).sum(), counts.sum()


def class_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of classes by number with a softmax over all.

    Args:
        logits: Shape (b, o).
        targets: The class of each row, NaN where it is not known; shape (b, 1).
        weights: How many measurements each row stands for; shape (b,).

    Example:
        >>> import torch
        >>> targets, weights = torch.tensor([[0.0], [float("nan")]]), torch.ones(2)
        >>> total, weight = class_loss(torch.zeros(2, 4), targets, weights)
        >>> round(float(total / weight), 4), float(weight)
        (1.3863, 1.0)
    """
    import torch
    from torch.nn.functional import cross_entropy

    known = ~torch.isnan(targets[:, 0])
    each = cross_entropy(logits, torch.nan_to_num(targets[:, 0]).long(), reduction="none")
    counts = weights * known
    return (each * counts).sum(), counts.sum()


def balanced(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much a right answer of each model counts so that all models' weigh alike together.

    As scikit-learn's "balanced" weights of the models in the list of all right answers: their
    number over that of the models times that of the model's own.

    Args:
        scores: Shape (n, m); NaN where not measured.
        weights: Shape (n,).

    Returns:
        Shape (m,); 1 for a model that was never right, or never measured.

    Example:
        >>> balanced(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), np.ones(3)).round(3).tolist()
        [0.667, 2.0]
    """
    right = (weights[:, None] * np.nan_to_num(scores)).sum(axis=0)
    found: NDArray[np.float64] = np.ones(scores.shape[1])
    np.divide(right.sum(), np.count_nonzero(right) * right, out=found, where=right > 0)
    return found
