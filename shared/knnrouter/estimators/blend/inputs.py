"""What is known of a query before any model is asked: its embedding and its surface, to scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAR", "Inputs", "Scale"]

Floats = NDArray[np.float64]

FAR = 4.0
"""Surface features further from their mean than so many standard deviations are cut off."""

_CONSTANT = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """`q` queries, to scale."""

    embeddings: Floats
    """Shape (q, d)."""

    surfaces: Floats
    """Shape (q, f); f is 0 where no text is known."""

    def __len__(self) -> int:
        return len(self.embeddings)

    def select(self, rows: NDArray[np.int64] | slice) -> Inputs:
        """These of them."""
        return Inputs(embeddings=self.embeddings[rows], surfaces=self.surfaces[rows])

    @cached_property
    def points(self) -> Floats:
        """Both side by side, so that they have the same part in squared distances; (q, d + f).

        Without surfaces, the embedding has all of it.
        """
        features = self.surfaces.shape[1]
        if not features:
            return np.asarray(np.sqrt(2.0) * self.embeddings)
        return np.concatenate([self.embeddings, self.surfaces / np.sqrt(features)], axis=1)

    @cached_property
    def squares(self) -> Floats:
        """The square of each point's length; shape (q,)."""
        return np.asarray((self.points**2).sum(axis=1))

    @property
    def together(self) -> Floats:
        """Both side by side, each dimension of about the same spread; shape (q, d + f)."""
        spread = np.sqrt(self.embeddings.shape[1])
        return np.concatenate([spread * self.embeddings, self.surfaces], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """Brings vectors to mean 0 and mean square length 1, surfaces to mean 0 and deviation 1."""

    center: Floats
    """Shape (d,)."""

    length: float
    """Root of the mean square length of the centered vectors; 1 where they are all alike."""

    surface_means: Floats
    """Shape (f,)."""

    surface_spreads: Floats
    """Standard deviations, shape (f,); inf for a feature that is the same in all rows."""

    @classmethod
    def of(cls, vectors: NDArray[np.float32], surfaces: Floats) -> Scale:
        """The scale of `n` rows."""
        rows = vectors.astype(np.float64)
        center = rows.mean(axis=0)
        length = float(np.sqrt(((rows - center) ** 2).sum(axis=1).mean()))
        spreads = surfaces.std(axis=0)
        return cls(
            center=center,
            length=length if length > _CONSTANT else 1.0,
            surface_means=surfaces.mean(axis=0),
            surface_spreads=np.where(spreads > _CONSTANT, spreads, np.inf),
        )

    def inputs(self, vectors: NDArray[np.float32], surfaces: Floats) -> Inputs:
        """Queries to this scale."""
        apart = (surfaces - self.surface_means) / self.surface_spreads
        return Inputs(
            embeddings=self.embeddings(vectors),
            surfaces=np.clip(apart, -FAR, FAR),
        )

    def embeddings(self, vectors: NDArray[np.float32]) -> Floats:
        """Unit rows to this scale; shape (q, d)."""
        scaled: Floats = (vectors - self.center) / self.length
        return scaled

    @property
    def arrays(self) -> Mapping[str, Floats]:
        """All of it, by name; `restored` reads them."""
        return {
            "center": np.append(self.center, self.length),
            "surface_scale": np.stack([self.surface_means, self.surface_spreads]),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, Floats]) -> Scale:
        """What `arrays` gave."""
        means, spreads = arrays["surface_scale"]
        center = arrays["center"]
        return cls(
            center=center[:-1],
            length=float(center[-1]),
            surface_means=means,
            surface_spreads=spreads,
        )
