"""How a transformer is fine-tuned: the settings that its estimators share, and their checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from knnrouter.errors import EstimatorError
from knnrouter.estimators.base import Evidence, FittedEstimator

from .network import POOLINGS, Layers, Pooling
from .training import Recipe, Told

__all__ = ["EncoderSettings", "TuningSettings", "number_above", "whole_at_least"]


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """Settings of every estimator that fine-tunes a transformer; see `EncoderMultiLabel`."""

    kind: ClassVar[str] = ""
    backbone: str
    epochs: int
    batch: int
    learning_rate: float
    max_length: int
    train_layers: Layers = "all"
    holdout: float = 0.1

    def __post_init__(self) -> None:
        if wrong := list(self._wrong()):
            raise EstimatorError("; ".join(wrong))

    def _wrong(self) -> Iterator[str]:
        if not (isinstance(self.backbone, str) and self.backbone.strip()):
            yield (
                f"backbone is {self.backbone!r}; give a text: the folder of a transformer, or its "
                "name on the Hugging Face hub"
            )
        for name in ("epochs", "batch"):
            yield from whole_at_least(name, getattr(self, name), 1)
        yield from number_above("learning_rate", self.learning_rate)
        yield from whole_at_least("max_length", self.max_length, 8)
        if self.train_layers != "all":
            yield from whole_at_least("train_layers", self.train_layers, 0, 'or "all"')
        if not (_is_number(self.holdout) and 0 <= self.holdout <= 0.5):
            yield f"holdout is {self.holdout!r}; give a share of the rows between 0 and 0.5"

    def fit(
        self, evidence: Evidence, *, seed: int = 0, told: Told | None = None
    ) -> FittedEstimator:
        """Fine-tune the transformer; each kind says on what."""
        raise NotImplementedError

    def fit_telling(self, evidence: Evidence, *, seed: int, told: Told) -> FittedEstimator:
        """As `fit`; `told` hears how many training steps are done, and of how many."""
        return self.fit(evidence, seed=seed, told=told)

    def recipe(self, seed: int, head_learning_rate: float | None = None) -> Recipe:
        """How to train."""
        return Recipe(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            head_learning_rate=head_learning_rate or self.learning_rate,
            holdout=self.holdout,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True)
class EncoderSettings(TuningSettings):
    """Settings of the estimators that read texts with an encoder."""

    epochs: int = 5
    batch: int = 16
    learning_rate: float = 2e-5
    head_learning_rate: float = 1e-3
    max_length: int = 128
    pooling: Pooling = "mean"

    def _wrong(self) -> Iterator[str]:
        yield from super()._wrong()
        yield from number_above("head_learning_rate", self.head_learning_rate)
        if self.pooling not in POOLINGS:
            allowed = " or ".join(f'"{each}"' for each in POOLINGS)
            yield f"pooling is {self.pooling!r}; give {allowed}"


def whole_at_least(name: str, value: object, least: int, more: str = "") -> Iterator[str]:
    """What is wrong with a setting that must be a whole number.

    Example:
        >>> list(whole_at_least("epochs", 0, 1)), list(whole_at_least("epochs", 1, 1))
        (['epochs is 0; give a whole number of at least 1'], [])
    """
    if not (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        hint = f", {more}" if more else ""
        yield f"{name} is {value!r}; give a whole number of at least {least}{hint}"


def number_above(name: str, value: object) -> Iterator[str]:
    """What is wrong with a setting that must be a number above zero.

    Example:
        >>> list(number_above("rate", -1.0))
        ['rate is -1.0; give a number above 0']
    """
    if not (_is_number(value) and 0 < float(value) < float("inf")):  # type: ignore[arg-type]
        yield f"{name} is {value!r}; give a number above 0"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
