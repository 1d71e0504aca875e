"""Which task a query is of: a linear discriminant with a class for what is new.

Within a task, queries x are taken to lie around the task's mean with one covariance W for all tasks
(Fisher 1936). In coordinates u in which W is the identity, and task c has the mean m_c and the part
pi_c of the rows,

    log p(c | x)   = T (log pi_c - |u - m_c|² / 2) + const
    log p(new | x) = T (log p_0 - (u - m)' B⁻¹ (u - m) / 2 - log det B / 2) + b + const

where the tasks' own means say where a task that nobody measured may lie: around their mean m, with
B = 1 + their covariance (two levels of one Gaussian, as in Ioffe 2006). p_0 = 1 / (t + 1) for `t`
tasks. The posterior of "new" is then spread evenly over the tasks known: nothing tells them apart.

The ridge on W, the temperature T and the offset b are chosen by the log loss on rows left out. For
"new", each row is asked once more as if its own task were not known. It counts for one row in
t + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Recognition", "Recognized", "recognized"]

Floats = NDArray[np.float64]

_RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
_TEMPERATURES = np.exp(np.linspace(np.log(0.03), np.log(10.0), 30))
_OFFSETS = np.linspace(-12.0, 12.0, 25)
_FEWEST_TASKS = 4
"""With fewer, their means say too little of where a new one may lie."""

_WORST = 30.0
"""The most that one row may lose, so that no single one chooses."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recognition:
    """A discriminant of `t` tasks over inputs of `d` numbers, in `r` dimensions that matter."""

    center: Floats
    """Mean of the tasks' means; shape (d,)."""

    projection: Floats
    """Onto the dimensions that matter; shape (d, r)."""

    means: Floats
    """The tasks' means there; shape (t, r)."""

    log_parts: Floats
    """Logarithm of each task's part of the rows; shape (t,)."""

    temperature: float = 1.0
    offset: float = -np.inf
    """-inf where no query is taken for new."""

    def posterior(self, inputs: Floats) -> tuple[Floats, Floats]:
        """The probability of each task, (q, t), that of "new" spread out; and of "new", (q,)."""
        return self.of_logits(self.logits(inputs))

    def logits(self, inputs: Floats) -> Floats:
        """Log densities of each task and of "new", before temperature and offset; (q, t + 1)."""
        found = (inputs - self.center) @ self.projection
        apart: Floats = (found**2).sum(axis=1)[:, None] + (self.means**2).sum(axis=1)
        known: Floats = self.log_parts - 0.5 * (apart - 2.0 * found @ self.means.T)
        new = self._background.log_density(found) - np.log(len(self.means) + 1)
        return np.column_stack([known, new])

    def without_own(self, inputs: Floats, task_of: NDArray[np.int64]) -> Floats:
        """Log density of "new" for each row, had its own task not been measured; shape (q,)."""
        found = (inputs - self.center) @ self.projection
        new = np.empty(len(found))
        for task in np.unique(task_of):
            own = task_of == task
            new[own] = _Background.of(np.delete(self.means, task, axis=0)).log_density(found[own])
        return np.asarray(new - np.log(len(self.means)))

    def of_logits(self, logits: Floats) -> tuple[Floats, Floats]:
        """What `posterior` says, from what `logits` gave."""
        scaled = logits * self.temperature
        scaled[:, -1] = scaled[:, -1] + self.offset if np.isfinite(self.offset) else -np.inf
        scaled -= scaled.max(axis=1, keepdims=True)
        chances = np.exp(scaled)
        chances /= chances.sum(axis=1, keepdims=True)
        known, new = chances[:, :-1], chances[:, -1]
        return known + new[:, None] / known.shape[1], new

    @cached_property
    def _background(self) -> _Background:
        return _Background.of(self.means)

    @property
    def arrays(self) -> Mapping[str, Floats]:
        """All of it, by name; `restored` reads them."""
        return {
            "task_center": self.center,
            "task_projection": self.projection,
            "task_means": self.means,
            "task_log_parts": self.log_parts,
            "task_sharpness": np.array([self.temperature, self.offset]),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Recognition:
        """What `arrays` gave."""
        temperature, offset = arrays["task_sharpness"].tolist()
        return cls(
            center=arrays["task_center"],
            projection=arrays["task_projection"],
            means=arrays["task_means"],
            log_parts=arrays["task_log_parts"],
            temperature=temperature,
            offset=offset,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Background:
    """Where a task that nobody measured may lie."""

    center: Floats
    whitening: Floats
    log_scale: float

    @classmethod
    def of(cls, means: Floats) -> _Background:
        center = means.mean(axis=0)
        apart = means - center
        covariance = np.eye(means.shape[1]) + apart.T @ apart / max(len(means) - 1, 1)
        lower = np.linalg.cholesky(covariance)
        return cls(
            center=center,
            whitening=np.linalg.inv(lower),
            log_scale=float(np.log(np.diag(lower)).sum()),
        )

    def log_density(self, found: Floats) -> Floats:
        """Up to a constant that all tasks share; shape (q,)."""
        apart = (found - self.center) @ self.whitening.T
        density: Floats = -0.5 * (apart**2).sum(axis=1) - self.log_scale
        return density


@dataclass(frozen=True, kw_only=True, eq=False)
class Recognized:
    """A discriminant, and what it says of the rows that it was learned from, left out in turn."""

    recognition: Recognition
    posterior: Floats
    """Shape (n, t)."""


def recognized(
    inputs: Floats, task_of: NDArray[np.int64], fold_of: NDArray[np.int64]
) -> Recognized:
    """Learn to tell the tasks apart.

    Args:
        inputs: Shape (n, d).
        task_of: The task of each row, 0 to `t` - 1, none without a row; shape (n,).
        fold_of: The fold of each row, which is left out together; shape (n,).

    Example:
        >>> inputs = np.array([[0.0], [0.1], [5.0], [5.1]] * 5)
        >>> tasks, folds = np.array([0, 0, 1, 1] * 5), np.arange(20) % 5
        >>> found = recognized(inputs, tasks, folds).recognition
        >>> found.posterior(np.array([[0.2], [4.9]]))[0].round(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    sums = _Sums.of(inputs, task_of, int(task_of.max()) + 1)
    parts = [
        (fold_of == fold, sums.less(inputs, task_of, fold_of == fold))
        for fold in np.unique(fold_of)
    ]
    best, loss = None, np.inf
    for ridge in _RIDGES:
        logits, alone = _left_out(inputs, task_of, parts, ridge)
        temperature, found = _best_temperature(logits[:, :-1], task_of)
        if found < loss:
            best, loss = (ridge, temperature, logits, alone), found
    assert best is not None
    ridge, temperature, logits, alone = best
    discriminant = replace(sums.discriminant(ridge), temperature=temperature)
    if len(discriminant.means) >= _FEWEST_TASKS:
        discriminant = _with_new(discriminant, logits, alone, task_of)
    return Recognized(recognition=discriminant, posterior=discriminant.of_logits(logits)[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """All that a discriminant needs of its rows."""

    squares: Floats
    totals: Floats
    counts: Floats

    @classmethod
    def of(cls, inputs: Floats, task_of: NDArray[np.int64], tasks: int) -> _Sums:
        member = np.zeros((len(inputs), tasks))
        member[np.arange(len(inputs)), task_of] = 1.0
        return cls(squares=inputs.T @ inputs, totals=member.T @ inputs, counts=member.sum(axis=0))

    def less(self, inputs: Floats, task_of: NDArray[np.int64], rows: NDArray[np.bool_]) -> _Sums:
        """Without these rows."""
        part = _Sums.of(inputs[rows], task_of[rows], len(self.counts))
        return _Sums(
            squares=self.squares - part.squares,
            totals=self.totals - part.totals,
            counts=self.counts - part.counts,
        )

    def discriminant(self, ridge: float) -> Recognition:
        """A task without a row lies at the mean of all, and counts for half a row."""
        counts = np.maximum(self.counts, 1e-9)[:, None]
        means = np.where(self.counts[:, None] > 0, self.totals / counts, 0.0)
        within = self.squares - (means * self.counts[:, None]).T @ means
        within = within / self.counts.sum() + ridge * np.eye(len(within))
        center = means.mean(axis=0)
        lower = np.linalg.cholesky(within)
        white = np.linalg.solve(lower, (means - center).T)
        basis = np.linalg.svd(white, full_matrices=False)[0]
        return Recognition(
            center=center,
            projection=np.linalg.solve(lower.T, basis),
            means=white.T @ basis,
            log_parts=np.log(np.maximum(self.counts, 0.5) / self.counts.sum()),
        )


def _left_out(
    inputs: Floats,
    task_of: NDArray[np.int64],
    parts: list[tuple[NDArray[np.bool_], _Sums]],
    ridge: float,
) -> tuple[Floats, Floats]:
    """The logits of each row, (n, t + 1), and that of "new" without its own task, (n,)."""
    logits = np.empty((len(inputs), len(parts[0][1].counts) + 1))
    alone = np.empty(len(inputs))
    for rows, sums in parts:
        discriminant = sums.discriminant(ridge)
        logits[rows] = discriminant.logits(inputs[rows])
        alone[rows] = discriminant.without_own(inputs[rows], task_of[rows])
    return logits, alone


def _best_temperature(known: Floats, task_of: NDArray[np.int64]) -> tuple[float, float]:
    """The temperature with the least log loss, and that loss."""
    own = known[np.arange(len(known)), task_of]
    losses = [float((_log_sum(t * known) - t * own).mean()) for t in _TEMPERATURES]
    best = int(np.argmin(losses))
    return float(_TEMPERATURES[best]), losses[best]


def _with_new(
    discriminant: Recognition, logits: Floats, alone: Floats, task_of: NDArray[np.int64]
) -> Recognition:
    """Choose the offset of "new", and the temperature again beside it; in turns, twice."""
    rows = np.arange(len(logits))
    known, new = logits[:, :-1], logits[:, -1]
    own = known[rows, task_of]
    others = known.copy()
    others[rows, task_of] = -np.inf
    part = 1.0 / (known.shape[1] + 1)

    def loss(temperature: float, offset: float, sums: tuple[Floats, Floats]) -> float:
        seen = np.logaddexp(sums[0], temperature * new + offset) - temperature * own
        chance = temperature * alone + offset
        unseen = np.logaddexp(sums[1], chance) - chance
        lost = (np.minimum(each, _WORST).mean() for each in (seen, unseen))
        return float(np.dot((1.0 - part, part), tuple(lost)))

    def sums_at(temperature: float) -> tuple[Floats, Floats]:
        return _log_sum(temperature * known), _log_sum(temperature * others)

    temperature, offset = discriminant.temperature, 0.0
    for _ in range(2):
        fixed = sums_at(temperature)
        offset = min(_OFFSETS.tolist(), key=lambda b: loss(temperature, b, fixed))
        temperature = min(
            _TEMPERATURES.tolist(),
            key=lambda t: loss(t, offset, sums_at(t)),
        )
    return replace(discriminant, temperature=temperature, offset=offset)


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=1)
    total: Floats = top + np.log(np.exp(values - top[:, None]).sum(axis=1))
    return total
