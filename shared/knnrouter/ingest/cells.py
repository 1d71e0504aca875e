"""One value of a file to one checked value of a record.

Readers disagree on how they spell a number, a truth value and "not measured"; this is the one place
that decides. A cell that cannot be used raises `CellError`, whose message names what is allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from numbers import Real

import numpy as np

from knnrouter.errors import RecordsError

from .wording import shown

__all__ = [
    "CellError",
    "Scoring",
    "as_amount",
    "as_model",
    "as_name",
    "as_number",
    "as_query",
    "is_truth",
]

_TRUTH = {"true": 1.0, "false": 0.0}
_WORDS = _TRUTH | dict.fromkeys(("", "nan", "na", "n/a", "none", "null"), math.nan)


class CellError(ValueError):
    """A value that cannot be used; the reader of the row adds where it stands."""


def as_number(value: object) -> float | None:
    """Read a number.

    Args:
        value: None, an empty text, NaN and `nan`, `na`, `n/a`, `none`, `null` in any case are
            "not measured"; a bool, `true` and `false` are 1 and 0.

    Returns:
        The number; NaN if it was not measured; None if the value is not a number.

    Example:
        >>> as_number("0.5"), as_number(True), as_number(""), as_number("good")
        (0.5, 1.0, nan, None)
    """
    if value is None:
        return math.nan
    if isinstance(value, str) and (word := value.strip().lower()) in _WORDS:
        return _WORDS[word]
    if not isinstance(value, (str, Real, Decimal, np.bool_)):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
    except ValueError:
        return None


def is_truth(value: object) -> bool:
    """Whether a value is true or false, or one of these words.

    Example:
        >>> is_truth("True"), is_truth(1)
        (True, False)
    """
    if isinstance(value, str):
        return value.strip().lower() in _TRUTH
    return isinstance(value, (bool, np.bool_))


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How the scores of a source become qualities in [0, 1].

    Raises:
        RecordsError: If `scale` is not an increasing pair, `threshold` is not a finite number, or
            both are given.

    Example:
        >>> Scoring(scale=(1, 10)).read(10), Scoring(threshold=0).read(0), Scoring().read(True)
        (1.0, 0.0, 1.0)
    """

    scale: tuple[float, float] | None = None
    """`(low, high)` of the scores given, mapped onto [0, 1]; truth values stay 0/1."""
    threshold: float | None = None
    """Scores strictly above it become 1, the others 0."""

    def __post_init__(self) -> None:
        if self.scale is not None and self.threshold is not None:
            raise RecordsError(
                f"both scale={self.scale} and threshold={self.threshold} are given; "
                "a threshold looks at the scores as they are: give one of the two"
            )
        if self.scale is not None:
            self._check_scale(self.scale)
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise RecordsError(f"threshold is {self.threshold}; give a finite number, such as 0")

    @staticmethod
    def _check_scale(scale: tuple[float, float]) -> None:
        numbers = len(scale) == 2 and all(math.isfinite(bound) for bound in scale)
        if not numbers or scale[0] >= scale[1]:
            raise RecordsError(
                f"scale is {scale}; give the lowest and the highest possible score, "
                "such as scale=(1, 10)"
            )

    def read(self, value: object) -> float:
        """Read one score.

        Returns:
            Quality in [0, 1]; NaN if it was not measured.

        Raises:
            CellError: If it is not a number, or outside the range.
        """
        score = as_number(value)
        if score is None:
            raise CellError(
                f"{shown(value)} is not a number; scores are numbers in [0, 1] or true/false: "
                "correct it, or map another range of numbers with `scale=(low, high)`"
            )
        if math.isnan(score) or is_truth(value):
            return score
        return self._mapped(score)

    def _mapped(self, score: float) -> float:
        if self.threshold is not None:
            return float(score > self.threshold)
        low, high = self.scale or (0.0, 1.0)
        if low <= score <= high:
            return (score - low) / (high - low)
        if self.scale is not None:
            raise CellError(f"{score} is outside scale=({low}, {high}); correct it, or the scale")
        raise CellError(
            f"{score} is outside [0, 1]; correct it, map another range with `scale=(low, high)`, "
            "or make scores 0/1 with `threshold=`"
        )


def as_amount(value: object) -> float:
    """Read a cost, a token count or a latency.

    Returns:
        A finite number >= 0; NaN if it was not measured.

    Raises:
        CellError: If it is anything else.

    Example:
        >>> as_amount("1e-6")
        1e-06
    """
    if is_truth(value):
        raise CellError(
            f"{shown(value)} is a truth value, which only a score can be; give a number >= 0, or "
            "leave the cell empty"
        )
    amount = as_number(value)
    if amount is None:
        raise CellError(f"{shown(value)} is not a number; give one, or leave the cell empty")
    if amount < 0:
        raise CellError(f"{amount} is negative; give a number >= 0, or leave the cell empty")
    if math.isinf(amount):
        raise CellError(f"{amount} is infinite; give a finite number, or leave the cell empty")
    return amount


def as_name(value: object) -> str | None:
    """Read an id, a task, a group, a time or a model's name.

    Returns:
        Its text; None if it is absent or empty.

    Raises:
        CellError: If it is a truth value, a list or another nested value, or not valid Unicode.

    Example:
        >>> as_name("math"), as_name(7), as_name(7.0), as_name("")
        ('math', '7', '7', None)
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        _check_unicode(value)
        return value if value.strip() else None
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise CellError(f"{shown(value)} is neither text nor a number; give one of the two")
    if isinstance(value, float) and value.is_integer():  # pandas turns 7 into 7.0
        return str(int(value))
    return str(value)


def as_model(value: object) -> str | None:
    """Read the name of a model, which a pool has to be able to name too.

    Returns:
        Its text; None if it is absent or empty.

    Raises:
        CellError: If it is no name, or holds a line break or another character that cannot be
            printed.

    Example:
        >>> as_model("small")
        'small'
    """
    name = as_name(value)
    if name is None or name.isprintable():
        return name
    number, wrong = next((n, c) for n, c in enumerate(name, start=1) if not c.isprintable())
    raise CellError(
        f"character {number} of {shown(name)} is {wrong!r}; the name of a model is one line of "
        "characters that can be printed: rename the model"
    )


def as_query(value: object) -> str:
    """Read the text of a query.

    Raises:
        CellError: If it is absent, not text, blank, or not valid Unicode.

    Example:
        >>> as_query("2 + 2?")
        '2 + 2?'
    """
    if not isinstance(value, str):
        raise CellError(f"{shown(value)} is not text; give the text that the models answered")
    if not value.strip():
        raise CellError("it is empty; a query without text cannot be routed on: leave the row out")
    _check_unicode(value)
    return value


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CellError(
            f"character {error.start + 1} is half of a surrogate pair; write the text as UTF-8"
        ) from error
