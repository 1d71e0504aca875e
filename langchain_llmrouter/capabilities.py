"""What the models can do: as the pool states it, else as the model objects say themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, ModelProfile

from knnrouter.pool import KNOWN_CAPABILITIES, ModelPool, ModelSpec
from knnrouter.serving import completed

__all__ = ["intersection", "profile_of", "with_abilities"]

_PROFILE_KEYS = {
    "tools": "tool_calling",
    "structured_output": "structured_output",
    "vision": "image_inputs",
    "audio": "audio_inputs",
    "pdf": "pdf_inputs",
    "reasoning": "reasoning_output",
}
"""The capabilities of a pool that LangChain's model profiles know, too."""


def with_abilities(pool: ModelPool, models: Mapping[str, object], *, stated: bool) -> ModelPool:
    """The pool, with what it leaves open filled in from the models.

    Where no model of the pool lists capabilities, a model has what its profile says; without a
    profile it has tools and structured output unless its class cannot bind tools, and nothing else
    if the pool was stated by the user, all else if it was not. An unstated context window is the
    profile's.

    Args:
        pool: The pool.
        models: The models by name, as far as they are known; one that is not built yet counts as
            one without a profile.
        stated: Whether the user stated the pool.

    Returns:
        A pool of the same models.
    """

    def capabilities(spec: ModelSpec) -> Iterable[str]:
        model = models.get(spec.name)
        return _had(model, _profile(model), stated=stated)

    def context_window(spec: ModelSpec) -> int | None:
        window = _profile(models.get(spec.name)).get("max_input_tokens")
        return window if isinstance(window, int) else None

    return completed(pool, capabilities=capabilities, context_window=context_window)


def _profile(model: object) -> Mapping[str, Any]:
    return getattr(model, "profile", None) or {}


def _had(model: object, profile: Mapping[str, Any], *, stated: bool) -> Iterable[str]:
    """The capabilities of a model that the pool says nothing of."""
    binds = not isinstance(model, BaseChatModel) or _binds_tools(model)
    for capability in KNOWN_CAPABILITIES:
        by_type = binds if capability in ("tools", "structured_output") else not stated
        if profile.get(_PROFILE_KEYS.get(capability, capability), by_type):
            yield capability
        elif capability == "structured_output" and profile.get("tool_calling", False):
            yield capability  # made with a tool call


def _binds_tools(model: BaseChatModel) -> bool:
    return type(model).bind_tools is not BaseChatModel.bind_tools


def profile_of(spec: ModelSpec, model: object) -> dict[str, Any] | None:
    """LangChain's profile of one model: its own, and what the pool states goes before it.

    Args:
        spec: The model in the pool.
        model: The model, or what will make it.

    Returns:
        The profile; None where nothing is known.
    """
    profile = dict(_profile(model))
    if "capabilities" in spec.model_fields_set:
        profile |= {key: name in spec.capabilities for name, key in _PROFILE_KEYS.items()}
    for key, value in (
        ("max_input_tokens", spec.context_window),
        ("max_output_tokens", spec.max_output_tokens),
    ):
        if value is not None:
            profile[key] = value
    return profile or None


def intersection(profiles: Iterable[Mapping[str, Any] | None]) -> ModelProfile | None:
    """What holds for every model, whichever answers.

    Args:
        profiles: Profiles; None where nothing is known of a model.

    Returns:
        The keys that all have: a truth is that of all, a number the least, anything else stays
        where all agree. None where nothing is known of some model.

    Example:
        >>> intersection([{"tool_calling": True, "max_input_tokens": 8}, {"max_input_tokens": 4}])
        {'max_input_tokens': 4}
    """
    given = list(profiles)
    known = [profile for profile in given if profile is not None]
    if not known or len(known) < len(given):
        return None
    shared = set(known[0]).intersection(*known[1:])
    together = {key: _together([profile[key] for profile in known]) for key in sorted(shared)}
    return cast(ModelProfile, {key: value for key, value in together.items() if value is not None})


def _together(values: list[Any]) -> Any:
    if all(isinstance(value, bool) for value in values):
        return all(values)
    if all(isinstance(value, int | float) for value in values):
        return min(values)
    return values[0] if all(value == values[0] for value in values) else None
