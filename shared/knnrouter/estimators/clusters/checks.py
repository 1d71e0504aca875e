"""What settings of estimators by clusters must be, and the arrays that they are restored from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError

__all__ = ["amount", "array", "check", "whole"]


def whole(name: str, value: object, *, auto: bool = False) -> str | None:
    """What is wrong with a setting that must be a whole number of at least 1; None: nothing.

    Example:
        >>> whole("k", 0, auto=True)
        'k is 0; give a whole number of at least 1, or "auto"'
        >>> whole("k", 3), whole("k", "auto", auto=True)
        (None, None)
    """
    if (isinstance(value, int) and not isinstance(value, bool) and value >= 1) or (
        auto and value == "auto"
    ):
        return None
    return f"{name} is {value!r}; give a whole number of at least 1{_or_auto(auto)}"


def amount(name: str, value: object, *, auto: bool = False) -> str | None:
    """What is wrong with a setting that must be a number >= 0; None: nothing.

    Example:
        >>> amount("beta", -1.0)
        'beta is -1.0; give a number >= 0'
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (number and 0.0 <= float(str(value)) < float("inf")) or (auto and value == "auto"):
        return None
    return f"{name} is {value!r}; give a number >= 0{_or_auto(auto)}"


def check(*wrong: str | None) -> None:
    """Refuse settings of which something is wrong.

    Raises:
        EstimatorError: It names all that is.
    """
    found = [each for each in wrong if each is not None]
    if found:
        raise EstimatorError("; ".join(found))


def array(
    arrays: Mapping[str, NDArray[np.generic]], name: str, shape: tuple[int | None, ...], kind: str
) -> NDArray[np.float64]:
    """An array that was saved, if it has this shape; None in it is any length.

    Raises:
        EstimatorError: There is none, or it has another shape, or numbers that are not finite.
    """
    found = arrays.get(name)
    fits = found is not None and found.ndim == len(shape)
    if (
        found is None
        or not fits
        or any(
            want is not None and want != has for want, has in zip(shape, found.shape, strict=True)
        )
    ):
        has = "none" if found is None else f"one of shape {found.shape}"
        wanted = ", ".join("any" if each is None else str(each) for each in shape)
        raise EstimatorError(
            f"{kind} needs an array `{name}` of shape ({wanted}), and found {has}; fit the router "
            "anew"
        )
    numbers = found.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise EstimatorError(
            f"the array `{name}` of {kind} holds numbers that are not finite; fit the router anew"
        )
    return numbers


def _or_auto(auto: bool) -> str:
    return ', or "auto"' if auto else ""
