"""The options of the vote of neighbors, short for `--estimator knn:...`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from knnrouter import estimators
from knnrouter.estimators import Estimator

__all__ = ["Vote"]

_AUTO = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """Settings of the vote of neighbors; each field is an option of the command."""

    k: Annotated[str, typer.Option("--k", metavar="K", help="Neighbors that vote, or auto.")] = (
        _AUTO
    )
    weights: Annotated[
        str,
        typer.Option("--weights", metavar="KERNEL", help="uniform, similarity, softmax, or auto."),
    ] = _AUTO
    temperature: Annotated[
        str, typer.Option("--temperature", metavar="T", help="Of the softmax weights, or auto.")
    ] = _AUTO
    shrinkage: Annotated[
        str,
        typer.Option(
            "--shrinkage", metavar="N", help="For how many measurements the prior counts."
        ),
    ] = _AUTO

    def estimator(self, named: str | None) -> Estimator | None:
        """The estimator that the options name; None where they leave it to the pool.

        Args:
            named: What `--estimator` says.

        Raises:
            EstimatorError: It is unknown or wrongly set.
            BadParameter: Both an estimator and settings of the vote were given.
        """
        settings = {item.name: getattr(self, item.name) for item in fields(self)}
        stated = {name: text for name, text in settings.items() if text != _AUTO}
        if named is None:
            return estimators.parse(_spec(stated)) if stated else None
        if stated:
            options = ", ".join(f"--{name}" for name in stated)
            raise typer.BadParameter(
                f"{named!r} and {options} are both given; write the settings of knn as one: "
                f"--estimator {_spec(stated)}",
                param_hint="--estimator",
            )
        return estimators.parse(named)


def _spec(settings: dict[str, str]) -> str:
    return "knn:" + ",".join(f"{name}={text}" for name, text in settings.items())
