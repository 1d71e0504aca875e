"""Checks of what the surfaces of every framework are made with."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator

from knnrouter import policies
from knnrouter.errors import PolicyError, PoolError
from knnrouter.pool import ModelPool
from knnrouter.router import Router

from .lazy import LazyRouter

__all__ = [
    "ErrorTypes",
    "Names",
    "check_spelling",
    "checked_policy",
    "checked_router",
    "is_stated",
    "shadow_default",
]


def _alone_too(value: object) -> object:
    """One name or type counts as a tuple of one."""
    return (value,) if isinstance(value, str | type) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_alone_too)]
"""Names; one alone may be given without a tuple."""

ErrorTypes = Annotated[tuple[type[Exception], ...], BeforeValidator(_alone_too)]
"""Types of errors; one alone may be given without a tuple."""


def checked_router(router: Any) -> Router | LazyRouter:  # noqa: ANN401 # whatever users give
    """The router itself, if it is one.

    Raises:
        TypeError: It is something else, such as a path; what that holds is not shown.
    """
    if isinstance(router, Router | LazyRouter):
        return router
    raise TypeError(
        f"router is a {type(router).__name__}; give a knnrouter.Router, or use from_yaml(path) for "
        "a pool.yaml"
    )


def checked_policy(policy: Any) -> Any:  # noqa: ANN401 # as above
    """A policy or its text as it is, if it is one; None stays.

    Raises:
        PolicyError: It is none.
    """
    if isinstance(policy, str):
        policies.parse(policy)
    elif policy is not None and not callable(policy):
        raise PolicyError(f"policy is {policy!r:.80}; give a policy or its text")
    return policy


def is_stated(source: Router | LazyRouter) -> bool:
    """Whether the user stated the pool of a router; else nothing is known of its models.

    Example:
        >>> is_stated(Router.starter())
        True
    """
    return isinstance(source, LazyRouter) or source.lineup.stated


def shadow_default(pool: ModelPool) -> str:
    """Who answers in shadow: the pool's default.

    Raises:
        PoolError: The pool states none.

    Example:
        >>> shadow_default(ModelPool.from_text("{router: {default: a}, models: [{name: a}]}"))
        'a'
    """
    default = pool.router.default
    if default is None:
        raise PoolError(
            "shadow is set, but the pool states no router.default; name the model there that "
            "answers while decisions are only recorded"
        )
    return default


def check_spelling(
    given: Collection[str], *, of: str, known: Collection[str], own: Collection[str]
) -> None:
    """Refuse fields that are nearly one of the router's; others may be of other classes.

    Args:
        given: Names of fields.
        of: The name of the class.
        known: The names that are right.
        own: The router's names among them.

    Raises:
        TypeError: A name is not known and nearly the router's; all such are named.

    Example:
        >>> own = ("policy", "shadow")
        >>> check_spelling(["team"], of="Chat", known=own, own=own)
        >>> check_spelling(["polcy"], of="Chat", known=own, own=own)
        Traceback (most recent call last):
        TypeError: Chat has no field polcy (did you mean policy?)
    """
    near = {name: get_close_matches(name, own, n=1, cutoff=0.8) for name in given}
    wrong = [
        f"{name} (did you mean {near[name][0]}?)"
        for name in given
        if name not in known and near[name]
    ]
    if wrong:
        raise TypeError(f"{of} has no field {', '.join(wrong)}")
