"""Matrix factorization of who wins: a vector for each model, trained with torch.

A model M is worth delta(M, q) = w · (v_M ∘ W q) on a query with the unit row q: a projection W to
the length of the models' vectors v_M, which are scaled to length 1, and weights w; there are no
biases (Ong et al. 2024, RouteLLM, 2406.18665, and its public code). One model beats
another with the probability 1 / (1 + exp(delta of the other - its own)). Training minimizes the
cross-entropy of that, with Gaussian noise on q.

In the end delta(M, q) is a scalar product of q with a direction of each model's own, and that is
all that is kept of the training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .battles import Battles

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["Factors", "Recipe", "factors"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to train; see `MatrixFactorization` for what is what."""

    dim: int
    noise: float
    epochs: int
    learning_rate: float
    weight_decay: float
    batch: int


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Factors:
    """What was learned, of `m` models and rows of `d` dimensions."""

    models: NDArray[np.float32]
    """A vector for each model, not yet of length 1; shape (m, dim)."""

    projection: NDArray[np.float32]
    """Of the queries' rows; shape (dim, d)."""

    head: NDArray[np.float32]
    """How much each part of the product counts; shape (dim,)."""

    losses: tuple[float, ...]
    """The mean cross-entropy of the battles held out, after each epoch; empty without any."""

    @property
    def directions(self) -> NDArray[np.float32]:
        """What a query's row is multiplied with, for each model; shape (m, d).

        Example:
            >>> one = np.array([[3.0, 4.0]], dtype=np.float32)
            >>> Factors(models=one, projection=np.eye(2, dtype=np.float32),
            ...         head=np.array([1.0, 10.0], dtype=np.float32), losses=()).directions
            array([[0.6, 8. ]], dtype=float32)
        """
        units = self.models / np.linalg.norm(self.models, axis=1, keepdims=True)
        return np.asarray((units * self.head) @ self.projection, dtype=np.float32)


def factors(
    battles: Battles,
    vectors: NDArray[np.float32],
    models: int,
    recipe: Recipe,
    *,
    held_out: Battles,
    seed: int,
) -> Factors:
    """Train on some battles; of all epochs, take the one that does best on others.

    Args:
        battles: To train on, at least one.
        vectors: Unit rows of all the evidence, shape (n, d).
        models: How many models there are, `m`.
        recipe: How to train.
        held_out: To choose the epoch by; with none, the last one is taken.
        seed: Draws the start, the order and the noise.

    Returns:
        The same for the same seed, on one machine.

    Raises:
        ImportError: torch is not installed.
    """
    import torch

    draws = torch.Generator().manual_seed(seed)
    parts = _start(models, vectors.shape[1], recipe.dim, draws)
    step = torch.optim.Adam(parts, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    seen, unseen = (_Tensors.of(some, vectors) for some in (battles, held_out))
    best, losses = _copied(parts), []
    for _ in range(recipe.epochs):
        for places in torch.randperm(len(battles), generator=draws).split(recipe.batch):
            batch = seen.at(places)
            noise = torch.randn(batch.queries.shape, generator=draws) * recipe.noise
            step.zero_grad()
            _loss(parts, batch, batch.queries + noise).backward()
            step.step()
        if len(held_out):
            with torch.no_grad():
                losses.append(float(_loss(parts, unseen, unseen.queries)))
        if not losses or losses[-1] == min(losses):
            best = _copied(parts)
    found, projection, head = best
    return Factors(models=found, projection=projection, head=head, losses=tuple(losses))


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Tensors:
    """Battles as torch has them."""

    queries: Tensor
    first: Tensor
    second: Tensor
    outcomes: Tensor
    weights: Tensor

    @classmethod
    def of(cls, battles: Battles, vectors: NDArray[np.float32]) -> _Tensors:
        import torch

        weights = battles.weights / battles.weights.mean() if len(battles) else battles.weights
        return cls(
            queries=torch.tensor(np.array(vectors[battles.rows], dtype=np.float32)),
            first=torch.tensor(battles.first),
            second=torch.tensor(battles.second),
            outcomes=torch.tensor(battles.outcomes.astype(np.float32)),
            weights=torch.tensor(weights.astype(np.float32)),
        )

    def at(self, places: Tensor) -> _Tensors:
        return _Tensors(
            queries=self.queries[places],
            first=self.first[places],
            second=self.second[places],
            outcomes=self.outcomes[places],
            weights=self.weights[places],
        )


def _start(models: int, inputs: int, dim: int, draws: Generator) -> list[Any]:
    """Where the search starts: as torch starts embeddings and linear layers."""
    import torch

    def even(*shape: int) -> Tensor:
        """Drawn evenly from ±1 / sqrt(inputs of the layer)."""
        return (2 * torch.rand(shape, generator=draws) - 1) / shape[-1] ** 0.5

    parts = [torch.randn((models, dim), generator=draws), even(dim, inputs), even(dim)]
    return [part.requires_grad_() for part in parts]


def _loss(parts: list[Any], battles: _Tensors, queries: Tensor) -> Tensor:
    """The cross-entropy of the battles, on average by weight."""
    from torch.nn.functional import binary_cross_entropy_with_logits, normalize

    models, projection, head = parts
    units = normalize(models, dim=1)
    gaps = ((units[battles.first] - units[battles.second]) * (queries @ projection.T)) @ head
    loss: Tensor = binary_cross_entropy_with_logits(gaps, battles.outcomes, weight=battles.weights)
    return loss


def _copied(parts: list[Any]) -> tuple[NDArray[np.float32], ...]:
    return tuple(part.detach().numpy().copy() for part in parts)
