"""Which models of a pool may answer a query: the hard filters, before any vote."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from knnrouter.errors import EmptyPoolError

if TYPE_CHECKING:
    from knnrouter.pool.model_pool import ModelPool
    from knnrouter.pool.spec import ModelSpec

__all__ = ["count_tokens", "eligible", "room_for_prompt"]


def count_tokens(prompt_bytes: int) -> int:
    """An over-estimate of a prompt's tokens, for limits: two bytes a token, rounded up.

    English has about four bytes a token, other scripts two to three.

    Args:
        prompt_bytes: UTF-8 bytes of the prompt, >= 0.

    Returns:
        Tokens, >= 0.

    Example:
        >>> count_tokens(9)
        5
    """
    return (prompt_bytes + 1) // 2


def eligible(
    pool: ModelPool,
    *,
    allow: Iterable[str] | None = None,
    require: Iterable[str] = (),
    tags: Iterable[str] = (),
    prompt_tokens: int | None = None,
) -> tuple[str, ...]:
    """The models that may answer.

    A model is left out where it is not enabled; not allowed; lacks a capability or a tag that is
    asked for (not listed is not had); or where the prompt and its expected output do not fit into
    its context window. An unknown window leaves nobody out.

    Args:
        pool: The models.
        allow: Names or aliases of the models to choose from; None for all. One str is one name.
        require: Capabilities that all must be had. One str is one capability.
        tags: Tags that all must be had. One str is one tag.
        prompt_tokens: Tokens of the whole prompt, >= 0; None leaves out nobody for its size.

    Returns:
        Names of models, in pool order; at least one.

    Raises:
        UnknownModelError: `allow` has a name that is not in the pool.
        EmptyPoolError: No model is left; the message says for each what removed it.

    Example:
        >>> from knnrouter.pool import ModelPool, ModelSpec
        >>> small = ModelSpec(name="small", context_window=1000, expected_output_tokens=200)
        >>> pool = ModelPool(models=[small, ModelSpec(name="big", capabilities=["vision"])])
        >>> eligible(pool, prompt_tokens=800), eligible(pool, prompt_tokens=801)
        (('small', 'big'), ('big',))
    """
    if allow is None and not require and not tags:
        names = pool.enabled_names
        if names and (prompt_tokens is None or prompt_tokens <= pool.least_room):
            return names
    allowed = None if allow is None else {pool.spec(name).name for name in _each(allow)}
    wanted, labels = _each(require), _each(tags)
    reasons = {
        spec.name: _reasons(spec, allowed, wanted, labels, prompt_tokens) for spec in pool.models
    }
    left = tuple(name for name, why in reasons.items() if not why)
    if not left:
        raise EmptyPoolError(
            [f"{name}: {', '.join(why)}" for name, why in reasons.items()],
            heading="no model of the pool may answer this query; ask for less, or change the pool:",
        )
    return left


def room_for_prompt(spec: ModelSpec) -> float:
    """The most prompt tokens that a model takes, beside its expected output; inf where unknown."""
    if spec.context_window is None:
        return float("inf")
    return spec.context_window - (spec.expected_output_tokens or 0)


def _each(names: Iterable[str]) -> Collection[str]:
    return (names,) if isinstance(names, str) else tuple(names)


def _reasons(
    spec: ModelSpec,
    allowed: Collection[str] | None,
    capabilities: Collection[str],
    tags: Collection[str],
    prompt_tokens: int | None,
) -> list[str]:
    """What keeps a model from answering; empty for an eligible one."""
    why = [] if spec.enabled else ["not enabled"]
    if allowed is not None and spec.name not in allowed:
        why.append("not allowed")
    why += [
        f"lacks the capability {name!r}" for name in capabilities if name not in spec.capabilities
    ]
    why += [f"lacks the tag {name!r}" for name in tags if name not in spec.tags]
    if prompt_tokens is not None and prompt_tokens > room_for_prompt(spec):
        why.append(
            f"context window {spec.context_window:,} is under {prompt_tokens:,} prompt + "
            f"{spec.expected_output_tokens or 0:,} expected output tokens"
        )
    return why
