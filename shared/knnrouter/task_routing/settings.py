"""How a task is scored, and when its leader is believed."""

from __future__ import annotations

from dataclasses import dataclass

from knnrouter.errors import EstimatorError

__all__ = ["TaskSettings"]


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """The numbers of task routing; the defaults are those of Shnitzer et al. 2023.

    Attributes:
        k: How many of the nearest rows predict whether a model is right on a query.
        kappa: Over how many of the nearest rows the distance of a query is averaged.
        sigma: The width of the kernel over distances, above 0.
        above: A model is predicted to be right where the share of right rows is above this; at
            least 0 and below 1.
        certainty: How sure it must be that the leader by S3 beats the best model on average, in
            (0, 1]; else that model is taken.
        draws: How often both are drawn to find that out.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> TaskSettings(kappa=10).sigma
        0.09
        >>> TaskSettings(sigma=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: sigma is 0; give a finite number above 0
    """

    k: int = 5
    kappa: int = 19
    sigma: float = 0.09
    above: float = 0.5
    certainty: float = 0.6
    draws: int = 1000

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)!r}; give a whole number of at least 1"
            for name in ("k", "kappa", "draws")
            if not _whole(getattr(self, name))
        ]
        if not (_number(self.sigma) and 0 < self.sigma < float("inf")):
            wrong.append(f"sigma is {self.sigma!r}; give a finite number above 0")
        if not (_number(self.above) and 0 <= self.above < 1):
            wrong.append(f"above is {self.above!r}; give a number of at least 0 and below 1")
        if not (_number(self.certainty) and 0 < self.certainty <= 1):
            wrong.append(f"certainty is {self.certainty!r}; give a number above 0 and at most 1")
        if wrong:
            raise EstimatorError("; ".join(wrong))

    @property
    def near(self) -> int:
        """How many of the nearest rows are needed in all."""
        return max(self.k, self.kappa)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
