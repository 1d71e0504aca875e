"""Where the figures of a routing test must lie."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, model_validator

from knnrouter.assertions.fields import Bound, Part, SomeNames
from knnrouter.yaml_files import Name, Problem, ProblemsFoundError

__all__ = ["Cost", "FlipRate", "Limits", "Quality", "Share"]


class Limits(Part, frozen=True):
    """Where a figure must lie; with several limits, all must hold.

    Raises:
        RoutingTestsError: No limit is stated, or one is out of range; the message names all.

    Example:
        >>> Limits(at_least=0.5, below=0.9).broken_by(0.9)
        ('below 0.9',)
    """

    largest: ClassVar[float] = 1.0
    """The largest value that the figure can have."""

    at_least: Bound | None = None
    """The figure is this or more."""
    above: Bound | None = None
    """The figure is more than this."""
    at_most: Bound | None = None
    """The figure is this or less."""
    below: Bound | None = None
    """The figure is less than this."""

    @model_validator(mode="after")
    def _possible(self) -> Limits:
        stated = self._stated()
        problems = [
            Problem((key,), f"a number up to {self.largest:g} is wanted, not {value:g}")
            for key, value in stated.items()
            if value > self.largest
        ]
        if not stated:
            problems.append(
                Problem((), f"there is no limit; state {', '.join(Limits.model_fields)}")
            )
        if problems:
            raise ProblemsFoundError(problems)
        return self

    def _stated(self) -> dict[str, float]:
        values = {key: getattr(self, key) for key in Limits.model_fields}
        return {key: value for key, value in values.items() if value is not None}

    def broken_by(self, value: float) -> tuple[str, ...]:
        """The limits that a figure breaks, as text.

        A figure is on a limit where it differs from it by rounding alone.
        """
        return tuple(
            f"{key} {limit:g}"
            for key, limit in self._stated().items()
            if not _holds(key, value, limit)
        )

    def __str__(self) -> str:
        return ", ".join(f"{key} {limit:g}" for key, limit in self._stated().items())


def _holds(key: str, value: float, limit: float) -> bool:
    if math.isclose(value, limit, rel_tol=1e-6, abs_tol=1e-9):
        return key in ("at_least", "at_most")
    return value > limit if key in ("at_least", "above") else value < limit


class Quality(Limits, frozen=True):
    """The mean measured score of the chosen models."""


class Cost(Limits, frozen=True):
    """USD per 1,000 queries."""

    largest: ClassVar[float] = math.inf

    expected: StrictBool = False
    """Whether the costs are those that the router expects, not those measured in the file."""


class Share(Limits, frozen=True):
    """The part of the prompts that goes to a model."""

    model: Name
    """The model."""


class FlipRate(Limits, frozen=True):
    """The share of decisions that change when prompts are put in slightly other words."""

    perturbations: SomeNames | None = None
    """Names of changes, or of kinds of them; None: all."""
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    """Where typos fall."""
