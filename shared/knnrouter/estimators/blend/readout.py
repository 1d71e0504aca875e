"""What a blend has learned, and what it says of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .inputs import Inputs, Scale
from .landmarks import likeness
from .recognition import Recognition
from .stored import checked

__all__ = ["Readout"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout:
    """All that a blend has learned of `m` models, with `t` tasks, `r` landmarks, `k` directions.

    A query's features are a constant 1; the probability of each task, less its mean; and likeness
    to the landmarks, less its mean, times the probability that the query's task is known. What is
    said is their product with `columns`.
    """

    scale: Scale

    recognition: Recognition | None
    """None where there is one task only; t is 0 then."""

    marks: NDArray[np.int64]
    """The rows of the evidence that are landmarks; shape (r,)."""

    landmarks: Inputs
    """These rows, to scale."""

    columns: Floats
    """For each feature: its weight for the lead of each model, for the level, and its part in each
    direction; shape (1 + t + r, m + 1 + k)."""

    offsets: Floats
    """What the means of each block of features come to; shape (3, m + 1 + k)."""

    grand: float
    """The mean level, which the level's weights are for the distance from."""

    noise: Floats
    """Variance of what is left of each target; shape (m + 1,)."""

    parts: Floats
    """How much each target was measured, of what the most measured one was; shape (m + 1,)."""

    gains: Floats
    """How much the rows say in each direction; shape (k,)."""

    variances: Floats
    """Of the weights of the three blocks, in units of the noise's; shape (3,)."""

    def scores(self, inputs: Inputs, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Expected scores and their standard errors.

        Args:
            inputs: `q` queries.
            known: Whether the embedder knows a word of the query; else it is taken as one on
                average; shape (q,).

        Returns:
            Both of shape (q, m): scores in [0, 1], standard errors in [0, 0.5], which is the most
            that what lies in [0, 1] can have; NaN for a model that was never measured.
        """
        said, prior = self._said(inputs, known)
        targets = len(self.noise)
        levels = self.grand + said[:, [targets - 1]]
        scores = np.clip(levels + said[:, : targets - 1], 0.0, 1.0)
        determined = 1.0 - 1.0 / (1.0 + self.parts[:, None] * self.gains)
        left = prior[:, None] - said[:, targets:] ** 2 @ determined.T
        variance = self.noise * np.maximum(left, 0.0)
        return scores, np.minimum(np.sqrt(variance[:, :-1] + variance[:, [-1]]), 0.5)

    def _said(self, inputs: Inputs, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The product of features and columns, (q, m + 1 + k); and the prior variance, (q,)."""
        constant, tasks, marks = np.split(self.columns, [1, len(self.columns) - len(self.marks)])
        said = np.repeat(constant, len(inputs), axis=0)
        prior = np.full(len(inputs), self.variances[0])
        trust = known.astype(np.float64)
        if self.recognition is not None:
            posterior, new = self.recognition.posterior(inputs.together)
            said += known[:, None] * (posterior @ tasks - self.offsets[1])
            prior += self.variances[1] * known * (posterior**2).sum(axis=1)
            trust *= 1.0 - new
        near = likeness(inputs, self.landmarks)
        said += trust[:, None] * (near @ marks - self.offsets[2])
        return said, prior + self.variances[2] * trust**2

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """All of it, by name; `restored` reads them, and the vectors of the evidence."""
        tasks = {} if self.recognition is None else self.recognition.arrays
        return {
            **self.scale.arrays,
            **tasks,
            "marks": self.marks,
            "mark_surfaces": self.landmarks.surfaces,
            "columns": self.columns,
            "offsets": self.offsets,
            "grand": np.array([self.grand]),
            "targets": np.stack([self.noise, self.parts]),
            "gains": self.gains,
            "variances": self.variances,
        }

    @classmethod
    def restored(
        cls, arrays: Mapping[str, NDArray[np.generic]], vectors: NDArray[np.float32], models: int
    ) -> Readout:
        """What `arrays` gave, of evidence with these vectors, and so many models.

        Raises:
            KeyError: An array is missing.
            ValueError: Shapes do not fit one another, or the evidence.
        """
        found = checked(arrays, rows=len(vectors), dim=vectors.shape[1], models=models)
        marks = found["marks"].astype(np.int64)
        scale = Scale.restored(found)
        noise, parts = found["targets"]
        return cls(
            scale=scale,
            recognition=Recognition.restored(found) if "task_means" in found else None,
            marks=marks,
            landmarks=Inputs(
                embeddings=scale.embeddings(vectors[marks]), surfaces=found["mark_surfaces"]
            ),
            columns=found["columns"],
            offsets=found["offsets"],
            grand=float(found["grand"][0]),
            noise=noise,
            parts=parts,
            gains=found["gains"],
            variances=found["variances"],
        )
