"""Fine-tuning: one loop for all transformers that learn from records.

AdamW with a rate that rises over the first tenth of the steps and then falls to zero, gradients
clipped to a norm of one. Before the first epoch and after each, the loss is taken on a share of the
rows that is held out, and the weights of the best moment are the result: with few rows, a
transformer soon learns them by heart.

On a CPU the result depends on the data, the settings and the seed only, not on earlier draws of
torch; the number of threads is the caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text

from .backbone import seeded
from .objectives import Objective
from .tokens import by_length

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module, Parameter

__all__ = ["Examples", "Learner", "Recipe", "Told", "belonging", "fine_tune", "held_out"]

_logger = logging.getLogger(__name__)

Told = Callable[[int, int], None]
"""Is told how many steps are done, and of how many."""

_DECAY = 0.01
"""The weight decay of the papers."""
_WARM = 0.1
"""The share of the steps in which the rate rises."""
_LEAST = 20
"""With fewer texts than this, none is held out, and the last epoch is taken."""
_WINDOW = 16
"""How many batches' worth of rows are sorted by length at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to train."""

    epochs: int
    batch: int
    learning_rate: float
    head_learning_rate: float
    holdout: float
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Examples:
    """What to learn, from `n` texts."""

    ids: Sequence[Sequence[int]]
    """The tokens of each text."""

    targets: NDArray[np.float64]
    """What the objective takes; shape (n, t); NaN where not known."""

    weights: NDArray[np.float64]
    """How many measurements each row stands for; shape (n,)."""

    groups: NDArray[np.int64]
    """Rows of one number belong together, and are not parted; shape (n,)."""

    def rows(self, rows: NDArray[np.int64]) -> Examples:
        """Some of them."""
        return Examples(
            ids=[self.ids[row] for row in rows.tolist()],
            targets=self.targets[rows],
            weights=self.weights[rows],
            groups=self.groups[rows],
        )

    def known(self) -> Examples:
        """Those of which anything is known."""
        return self.rows(np.flatnonzero(~np.isnan(self.targets).all(axis=1)))


class Learner(Protocol):
    """What is trained."""

    @property
    def modules(self) -> Sequence[Module]:
        """All its parts."""

    @property
    def body_parameters(self) -> Sequence[Parameter]:
        """What learns with the learning rate."""

    @property
    def head_parameters(self) -> Sequence[Parameter]:
        """What learns with the head's."""

    def logits(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """What it says of texts with these tokens; shape (b, o)."""


def fine_tune(
    learner: Learner,
    examples: Examples,
    objective: Objective,
    recipe: Recipe,
    *,
    told: Told | None = None,
) -> NDArray[np.float64]:
    """Train a learner in place, and leave it at its best.

    Args:
        learner: What is trained.
        examples: What it learns; all of them known.
        objective: What to make small.
        recipe: How.
        told: Is told how far the work is.

    Returns:
        The loss on the rows held out, before the first epoch and after each; shape (epochs + 1,);
        all NaN where none was held out.
    """
    kept, judged = held_out(examples.groups, recipe)
    learned, unseen = examples.rows(kept), examples.rows(judged)
    with seeded(recipe.seed):
        steps = _Steps(learner, learned, objective, recipe, told)
        losses = [_loss(learner, unseen, objective, recipe)]
        best, state = 0, _state(learner)
        for epoch in range(1, recipe.epochs + 1):
            steps.epoch(epoch)
            losses.append(_loss(learner, unseen, objective, recipe))
            _logger.info("epoch %d of %d: loss %.4f held out", epoch, recipe.epochs, losses[-1])
            if not losses[-1] >= losses[best]:  # NaN, nothing held out: the last is taken
                best, state = epoch, _state(learner)
    for tensor, value in state:
        tensor.data.copy_(value)
    return np.array(losses)


def belonging(records: RecordSet) -> NDArray[np.int64]:
    """A number for each row, the same for rows of one group; without groups, of one text.

    Example:
        >>> rows = [{"query": text, "group": group, "small": 1}
        ...         for text, group in (("a", "g"), ("b", None), ("b", None), ("c", "g"))]
        >>> belonging(RecordSet.from_rows(rows)).tolist()
        [0, 1, 1, 0]
    """
    groups = records.groups or (None,) * len(records)
    names = [
        text if group is None else f"group {group}"
        for text, group in zip(records.queries, groups, strict=True)
    ]
    return group_by_text(names)[1]


def held_out(
    groups: NDArray[np.int64], recipe: Recipe
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to learn from, and those to judge by; the rows of a text stay together.

    Example:
        >>> recipe = Recipe(epochs=1, batch=8, learning_rate=1e-5, head_learning_rate=1e-3,
        ...                 holdout=0.1, seed=0)
        >>> learned, judged = held_out(np.arange(40), recipe)
        >>> len(learned), len(judged)
        (36, 4)
    """
    texts = np.unique(groups)
    count = round(recipe.holdout * len(texts)) if len(texts) >= _LEAST else 0
    chosen = np.random.default_rng(recipe.seed).permutation(texts)[:count]
    judged = np.isin(groups, chosen)
    return np.flatnonzero(~judged), np.flatnonzero(judged)


class _Steps:
    """The steps of an optimizer over all epochs."""

    def __init__(
        self,
        learner: Learner,
        examples: Examples,
        objective: Objective,
        recipe: Recipe,
        told: Told | None,
    ) -> None:
        import torch

        self._learner, self._examples, self._objective = learner, examples, objective
        self._recipe, self._told = recipe, told
        self._rng = np.random.default_rng(recipe.seed)
        self._done = 0
        self._total = recipe.epochs * -(-len(examples.ids) // recipe.batch)
        self._rates = (recipe.learning_rate, recipe.head_learning_rate)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": list(parameters), "lr": rate}
                for parameters, rate in zip(
                    (learner.body_parameters, learner.head_parameters), self._rates, strict=True
                )
            ],
            weight_decay=_DECAY,
        )

    def epoch(self, number: int) -> None:
        """Learn from every row once."""
        for module in self._learner.modules:
            module.train()
        for batch in _shuffled(self._examples.ids, self._recipe.batch, self._rng):
            self._step(self._examples.rows(batch))
            self._done += 1
            if self._told is not None:
                self._told(self._done, self._total)
        for module in self._learner.modules:
            module.eval()

    def _step(self, batch: Examples) -> None:
        from torch.nn.utils import clip_grad_norm_

        rate = _rate(self._done, self._total)
        for group, full in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = full * rate
        logits = self._learner.logits(batch.ids)
        total, weight = self._objective(logits, *_tensors(batch, logits))
        self._optimizer.zero_grad()
        (total / weight).backward()
        clip_grad_norm_([*self._learner.body_parameters, *self._learner.head_parameters], 1.0)
        self._optimizer.step()


def _rate(done: int, total: int) -> float:
    """The share of the full rate in the step after `done` of `total` steps."""
    warm = max(1, round(_WARM * total))
    return min((done + 1) / warm, (total - done) / max(1, total - warm))


def _shuffled(
    ids: Sequence[Sequence[int]], size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Every row once, in batches of texts of like length, so that little is padding."""
    order = rng.permutation(len(ids))
    batches = []
    for start in range(0, len(order), size * _WINDOW):
        window = order[start : start + size * _WINDOW]
        batches += [window[part] for part in by_length([ids[row] for row in window], size)]
    return [batches[place] for place in rng.permutation(len(batches)).tolist()]


def _loss(learner: Learner, examples: Examples, objective: Objective, recipe: Recipe) -> float:
    import torch

    sums = np.zeros(2)
    with torch.no_grad():
        for rows in by_length(examples.ids, recipe.batch):
            batch = examples.rows(rows)
            logits = learner.logits(batch.ids)
            sums += [float(each) for each in objective(logits, *_tensors(batch, logits))]
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


def _tensors(batch: Examples, like: Tensor) -> tuple[Tensor, Tensor]:
    import torch

    targets, weights = (
        torch.as_tensor(each, dtype=like.dtype, device=like.device)
        for each in (batch.targets, batch.weights)
    )
    return targets, weights


def _state(learner: Learner) -> list[tuple[Parameter, Tensor]]:
    """What is trained, and what it is worth now."""
    return [
        (each, each.detach().clone())
        for each in (*learner.body_parameters, *learner.head_parameters)
    ]
