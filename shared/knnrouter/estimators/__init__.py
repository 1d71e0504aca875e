"""What to expect of each model on a query: one family of estimators a module."""

from __future__ import annotations

from collections.abc import Mapping

from knnrouter.errors import EstimatorError

from .base import Estimates, Estimator, Evidence, FittedEstimator, Setting
from .knn import KNN

__all__ = [
    "KNN",
    "Estimates",
    "Estimator",
    "Evidence",
    "FittedEstimator",
    "Setting",
    "from_settings",
]

_KINDS = {"knn": KNN}


def from_settings(settings: Mapping[str, Setting]) -> Estimator:
    """The estimator that `FittedEstimator.settings` described.

    Raises:
        EstimatorError: The kind is unknown, or a setting is not one of its own.

    Example:
        >>> from_settings({"kind": "knn", "k": 40}).k
        40
    """
    rest = dict(settings)
    kind = rest.pop("kind", None)
    if kind not in _KINDS:
        raise EstimatorError(f"estimator kind is {kind!r}; known kinds: {', '.join(_KINDS)}")
    try:
        return _KINDS[str(kind)](**rest)  # type: ignore[arg-type]  # KNN checks every value itself
    except TypeError as error:
        raise EstimatorError(f"estimator {kind!r}: {error}") from error
