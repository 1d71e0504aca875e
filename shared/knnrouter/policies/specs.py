"""Policies as text: `score_minus_cost:cost_weight=20` and back, and as mappings from pool.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from knnrouter.errors import PolicyError
from knnrouter.spec_text import Family, listed, stated_settings, written

from .base import Policy
from .drawing import RandomAmongTop
from .efficiency import PerformanceEfficiency
from .predicting import Prediction
from .reserved import Reserved
from .rules import BestScore, CheapestAbove, Guarded, MaxLatency, ScoreMinusCost, Threshold

__all__ = ["KINDS", "as_mapping", "named_models", "parse", "spec"]

KINDS: dict[str, Any] = {
    "best_score": BestScore,
    "score_minus_cost": ScoreMinusCost,
    "cheapest_above": CheapestAbove,
    "threshold": Threshold,
    "max_latency": MaxLatency,
    "guarded": Guarded,
    "reserved": Reserved,
    "performance_efficiency": PerformanceEfficiency,
    "random_among_top": RandomAmongTop,
    "prediction": Prediction,
}
"""The policies by the names that they have in text."""

_FAMILY = Family(what="policy", kinds=KINDS, refusal=PolicyError)

_ONE_OF = {"models": "model", "coefficients": "coefficient"}
"""What one value of a setting that is a list is read as."""


def parse(text: str | Mapping[str, Any]) -> Policy:
    """The policy that a text or a mapping describes.

    Args:
        text: `kind` or `kind:setting=value,setting=value`, where a value stands in parentheses if
            it is a policy with settings of its own, a list, or a name with commas or parentheses;
            or `{"kind": kind, setting: value}`.

    Raises:
        PolicyError: The kind or a setting is unknown, a setting is missing or out of its range.

    Example:
        >>> parse("guarded:policy=(score_minus_cost:cost_weight=20),min_similarity=0.3,fallback=a")
        Guarded(policy=ScoreMinusCost(cost_weight=20.0), min_similarity=0.3, fallback='a')
        >>> parse({"kind": "cheapest_above", "min_score": 0.6})
        CheapestAbove(min_score=0.6)
    """
    if isinstance(text, Mapping):
        settings = dict(text)
        kind = settings.pop("kind", None)
        return _built(str(kind) if kind is not None else "", settings)
    return _built(*_FAMILY.split(text))


def spec(policy: Policy) -> str:
    """How a policy is written as text; a callable of your own goes by its name.

    Example:
        >>> spec(Guarded(policy=ScoreMinusCost(cost_weight=20), min_similarity=0.3, fallback="a"))
        'guarded:policy=(score_minus_cost:cost_weight=20),min_similarity=0.3,fallback=a'
    """
    kind = _FAMILY.kind_of(policy)
    if kind is None:
        return str(getattr(policy, "__name__", type(policy).__name__))
    stated = _stated(policy).items()
    plain = {name: spec(value) if callable(value) else value for name, value in stated}
    return written(kind, plain)


def as_mapping(policy: Policy) -> dict[str, Any]:
    """How a policy of this library is written in a pool.yaml; `parse` reads it.

    Raises:
        PolicyError: It is a callable of your own, which no text can hold.

    Example:
        >>> as_mapping(MaxLatency(ms=500, policy=BestScore()))
        {'kind': 'max_latency', 'ms': 500, 'policy': {'kind': 'best_score'}}
    """
    kind = _FAMILY.kind_of(policy)
    if kind is None:
        raise PolicyError(
            f"the policy {spec(policy)} is a function of your own, which pool.yaml cannot hold; "
            f"give it to the router in Python, or use one of {', '.join(KINDS)}"
        )
    return {"kind": kind} | {
        name: as_mapping(value) if callable(value) else _listed(value)
        for name, value in _stated(policy).items()
    }


def named_models(policy: Policy) -> tuple[str, ...]:
    """The models that a policy names in its settings.

    Example:
        >>> named_models(Threshold(strong="large", weak="small", threshold=0.5))
        ('large', 'small')
    """
    if isinstance(policy, Threshold):
        return (policy.strong, policy.weak)
    if isinstance(policy, Guarded):
        return (policy.fallback, *named_models(policy.policy))
    if isinstance(policy, Reserved):
        return (policy.model, *named_models(policy.policy))
    if isinstance(policy, MaxLatency):
        return named_models(policy.policy)
    if isinstance(policy, Prediction):
        return tuple(policy.models)
    return ()


def _stated(policy: Any) -> dict[str, Any]:  # noqa: ANN401  # any policy of KINDS
    """The settings of a policy, without those that are as they would be anyway."""
    settings = stated_settings(policy)
    for item in fields(policy):
        usual = item.default if item.default_factory is MISSING else item.default_factory()
        if settings[item.name] == usual:
            del settings[item.name]
    return settings


def _listed(value: object) -> object:
    """The value as YAML holds it."""
    return list(value) if isinstance(value, tuple) else value


def _built(kind: str, settings: Mapping[str, Any]) -> Policy:
    read = {name: _read(name, value) for name, value in settings.items()}
    policy: Policy = _FAMILY.built(kind, read)
    return policy


def _read(name: str, value: object) -> object:
    if name == "policy" and isinstance(value, str | Mapping):
        return parse(value)
    if name in ("strong", "weak", "fallback", "model") or not isinstance(value, str):
        return value
    if name in _ONE_OF:
        return [_read(_ONE_OF[name], part) for part in listed(value)]
    try:
        return float(value)
    except ValueError:
        return value  # the policy says what it wants instead
