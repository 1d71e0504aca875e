"""Arrays of a saved folder, checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError

__all__ = ["stored"]


def stored(
    arrays: Mapping[str, NDArray[np.generic]], name: str, shape: tuple[int, ...]
) -> NDArray[np.generic]:
    """One of the arrays, which has this shape and holds finite numbers.

    Raises:
        EstimatorError: It is missing, has another shape, or holds NaN or infinity.

    Example:
        >>> stored({"scale": np.ones(2)}, "scale", (2,)).tolist()
        [1.0, 1.0]
    """
    found = arrays.get(name)
    if found is None or found.shape != shape:
        what = "none" if found is None else f"shape {found.shape}"
        raise EstimatorError(
            f"the estimator needs an array `{name}` of shape {shape}, and found {what}; fit the "
            "router anew"
        )
    if not np.isfinite(found.astype(np.float64)).all():
        raise EstimatorError(
            f"the array `{name}` holds NaN or infinity, where finite numbers were saved; fit the "
            "router anew"
        )
    return found
