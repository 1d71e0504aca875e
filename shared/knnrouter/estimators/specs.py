"""Estimators by name: as text, as mappings from pool.yaml, and as a saved folder's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from knnrouter.errors import EstimatorError
from knnrouter.spec_text import Family, stated_settings, written

from .base import Estimator, Setting
from .blend import Blend
from .causal_lm import CausalLM
from .classifiers import MultiLabel, Separate
from .clusters import AvengersPro, Clusters, UniRoute
from .correctness import CorrectnessKNN
from .encoders import EncoderMultiLabel, EncoderSeparate, EncoderWinRate
from .knn import KNN
from .matrix_factorization import MatrixFactorization
from .similarity_weighted import SimilarityWeighted

__all__ = ["KINDS", "default", "from_settings", "parse", "settings_of", "spec"]

KINDS: dict[str, Any] = {
    "knn": KNN,
    "blend": Blend,
    "clusters": Clusters,
    "avengers_pro": AvengersPro,
    "uniroute": UniRoute,
    "multi_label": MultiLabel,
    "separate": Separate,
    "correctness_knn": CorrectnessKNN,
    "similarity_weighted": SimilarityWeighted,
    "matrix_factorization": MatrixFactorization,
    "encoder_multi_label": EncoderMultiLabel,
    "encoder_separate": EncoderSeparate,
    "encoder_win_rate": EncoderWinRate,
    "causal_lm": CausalLM,
}
"""The estimators by the names that they have in text, files and saved folders."""

_FAMILY = Family(what="estimator", kinds=KINDS, refusal=EstimatorError)


def parse(text: str | Mapping[str, Any]) -> Estimator:
    """The estimator that a text or a mapping describes.

    Args:
        text: `kind` or `kind:setting=value,setting=value`; or `{"kind": kind, setting: value}`.

    Raises:
        EstimatorError: The kind or a setting is unknown, a setting is missing or out of its range.

    Example:
        >>> parse("knn:k=40,weights=uniform")
        KNN(k=40, weights='uniform', temperature='auto', shrinkage='auto')
        >>> parse({"kind": "knn", "k": 40}).k
        40
    """
    if isinstance(text, Mapping):
        return from_settings(text)
    kind, settings = _FAMILY.split(text)
    estimator: Estimator = _FAMILY.built(
        kind, {name: _read(value) for name, value in settings.items()}
    )
    return estimator


def default() -> Estimator:
    """What `Router.fit` takes when nothing else is said: the vote of neighbors.

    `Blend` chooses better on public data. The vote is steadier under changes that mean nothing,
    twice as fast, and sensible from a handful of rows on; see docs/explanation/
    estimators-compared.md.
    """
    return KNN()


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
    if not isinstance(kind, str):
        raise EstimatorError(
            f"an estimator's kind is {kind!r}; name one of {', '.join(KINDS)}, such as "
            "{kind: knn, k: 40}"
        )
    estimator: Estimator = _FAMILY.built(kind, rest)
    return estimator


def settings_of(estimator: object) -> dict[str, Setting]:
    """The settings of an estimator of this library, `kind` first; `from_settings` reads them.

    Example:
        >>> settings_of(KNN(k=40))["k"]
        40
    """
    return {"kind": _kind_of(estimator)} | stated_settings(estimator)


def spec(estimator: object) -> str:
    """How an estimator is written as text, without the settings that are at their defaults.

    Raises:
        EstimatorError: It is one of your own, which no text describes.

    Example:
        >>> spec(KNN(k=40)), spec(KNN())
        ('knn:k=40', 'knn')
    """
    kind = _kind_of(estimator)
    defaults = {item.name: item.default for item in fields(KINDS[kind])}
    stated = stated_settings(estimator).items()
    return written(kind, {name: value for name, value in stated if value != defaults[name]})


def _kind_of(estimator: object) -> str:
    kind = _FAMILY.kind_of(estimator)
    if kind is None:
        raise EstimatorError(
            f"{estimator!r:.80} is an estimator of your own, which no text describes; give it to "
            f"the router in Python, or use one of {', '.join(KINDS)}"
        )
    return kind


def _read(text: str) -> Setting:
    """A number, true or false; all else stays text, for the estimator to judge."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
