"""A blend of what works: which task it is, how much of it there is, and what came near it.

Three blocks of features go into one ridge regression for each model, on how far its score is from
the row's mean over the models, and into one more for that mean:

* a constant: the model's mean, shrunk as far as twenty measurements would (`PRIOR_WEIGHT`);
* the probabilities of the tasks (`recognition`): the model's mean in each;
* likeness to landmarks (`landmarks`): what is local, by content and by surface. It is counted only
  as far as the query's task is known, since away from all tasks it extrapolates.

How much the other two may say is chosen by the marginal likelihood (`strengths`), not by a grid:
with labels at random they fall silent, and the best single model remains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators.base import Estimates, Evidence
from knnrouter.estimators.surroundings import Surrounded, Surroundings
from knnrouter.neighbors import Neighbors
from knnrouter.text.surface import surface

from .learning import learned
from .readout import Readout

__all__ = ["Blend", "FittedBlend"]


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Settings of the blend; all else is learned from the evidence.

    Attributes:
        landmarks: How many rows are landmarks, at least 1; of fewer rows, all are.
        texts: Whether the surface of the texts is read, too. Evidence that keeps no text does
            without in any case.

    Raises:
        EstimatorError: A setting is out of its range.

    Example:
        >>> Blend(landmarks=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: landmarks is 0; give a whole number of at least 1
    """

    kind: ClassVar[str] = "blend"

    landmarks: int = 800
    texts: bool = True

    def __post_init__(self) -> None:
        wrong = []
        if (
            not isinstance(self.landmarks, int)
            or isinstance(self.landmarks, bool)
            or self.landmarks < 1
        ):
            wrong.append(f"landmarks is {self.landmarks!r}; give a whole number of at least 1")
        if not isinstance(self.texts, bool):
            wrong.append(f"texts is {self.texts!r}; give true or false")
        if wrong:
            raise EstimatorError("; ".join(wrong))

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedBlend:
        """Learn from the evidence.

        Args:
            evidence: Records, their vectors and an index over these.
            seed: Draws the landmarks, and the folds in which tasks are recognized.

        Raises:
            EstimatorError: There is not a single row.
        """
        if len(evidence.records) == 0:
            raise EstimatorError("the records have no row, so there is nothing to learn from")
        readout = learned(evidence, landmarks=self.landmarks, texts=self.texts, seed=seed)
        return FittedBlend(
            estimator=self, readout=readout, surroundings=Surroundings(records=evidence.records)
        )

    def restore(self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]) -> FittedBlend:
        """What `fit` gave, from its arrays.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        try:
            readout = Readout.restored(arrays, evidence.vectors, len(evidence.records.models))
        except (KeyError, ValueError) as error:
            raise EstimatorError(
                f"the arrays of the blend are not what it was saved with ({error}); fit the "
                "router anew"
            ) from error
        return FittedBlend(
            estimator=self, readout=readout, surroundings=Surroundings(records=evidence.records)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedBlend(Surrounded):
    """A blend that has learned from certain evidence."""

    estimator: Blend
    readout: Readout

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """All that was learned."""
        return self.readout.arrays

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """What to expect on queries of which only the vectors are known.

        Raises:
            EstimatorError: It has learned from texts.
        """
        if self.readout.landmarks.surfaces.shape[1]:
            raise EstimatorError(
                "this blend has learned from the texts of the records, and is asked without the "
                "texts of the queries; ask estimate_texts, or fit Blend(texts=False)"
            )
        return self._estimated(np.empty((len(vectors), 0)), vectors, neighbors)

    def estimate_texts(
        self, texts: Sequence[str], vectors: NDArray[np.float32], neighbors: Neighbors
    ) -> Estimates:
        """What to expect on queries with these texts.

        A query whose vector is zero, in which the embedder knows no word, is taken as one on
        average: its scores are close to the models' means.
        """
        reads = self.readout.landmarks.surfaces.shape[1] > 0
        surfaces = surface(texts) if reads else np.empty((len(vectors), 0))
        return self._estimated(surfaces, vectors, neighbors)

    def _estimated(
        self, surfaces: NDArray[np.float64], vectors: NDArray[np.float32], neighbors: Neighbors
    ) -> Estimates:
        inputs = self.readout.scale.inputs(vectors, surfaces)
        scores, stderr = self.readout.scores(inputs, np.asarray(vectors.any(axis=1)))
        return self.surroundings.estimates(scores, neighbors, stderr=stderr)
