"""What all surfaces share: the router, what a call may ask of it, and who decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.utils import ConfigurableFieldSpec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from knnrouter.errors import KnnRouterError
from knnrouter.pool import ModelPool
from knnrouter.serving import (
    OPTION_IDS,
    Decider,
    Names,
    RouteOptions,
    by_pool_name,
    check_spelling,
    checked_policy,
    checked_router,
    is_stated,
    options_of,
)
from knnrouter.text import Sticky

from .capabilities import with_abilities

__all__ = ["ByPoolName", "RouterField", "RoutingSettings"]

_DESCRIPTIONS = {
    "model": "The name of the model that must answer.",
    "policy": "A policy, or its text, instead of the pool's.",
    "allow": "The names of the models that may answer.",
    "require": "Capabilities that the model must have.",
    "tags": "Tags that the model must have.",
}


def _by_pool_name(given: Mapping[str, Any], info: ValidationInfo) -> Mapping[str, Any]:
    router = info.data.get("router")  # not there: pydantic says so itself
    if router is None:
        return given
    return by_pool_name(router.pool, given, what=info.field_name or "models")


RouterField = Annotated[Any, BeforeValidator(checked_router)]
"""A `Router`, or one that loads itself when it is needed."""

ByPoolName = AfterValidator(_by_pool_name)
"""Of a mapping by names: each is of the pool, and each enabled model of the pool has something."""


class RoutingSettings(BaseModel):
    """The fields that decide, the same on every surface."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=(), hide_input_in_errors=True
    )

    router: RouterField = Field(repr=False, exclude=True)
    """A `knnrouter.Router`. `from_yaml` puts one here that loads when it is first needed."""
    policy: Annotated[Any, BeforeValidator(checked_policy)] = None
    """A policy or its text, instead of the pool's."""
    allow: Names | None = None
    """Names of the models that may answer; None: all that are enabled."""
    require: Names = ()
    """Capabilities that the model must have."""
    require_tags: Names = ()
    """Tags that the model must have."""
    sticky: Sticky | None = None
    """How long a choice holds: for one "call", one user "turn", or the "thread"; None: as the
    pool says, which is "turn" unless it is set."""
    count_tokens: Callable[[Any], int] | None = Field(default=None, repr=False, exclude=True)
    """Counts the tokens of a prompt, for context windows; None: the router's way, which
    over-estimates from the bytes."""

    def __init__(self, **fields: Any) -> None:
        self._check_spelling(fields)
        try:
            super().__init__(**fields)
        except ValidationError as error:
            # pydantic wraps errors that are ValueErrors; one of this library's comes out as it is.
            causes = [each.get("ctx", {}).get("error") for each in error.errors()]
            if len(causes) == 1 and isinstance(causes[0], KnnRouterError):
                raise causes[0] from None
            raise

    @classmethod
    def _check_spelling(cls, given: Mapping[str, Any]) -> None:
        """Refuse a field that is nearly one of the router's; others may be of other classes.

        Raises:
            TypeError: There is such a field; all are named.
        """
        own = (*RoutingSettings.model_fields, "shadow", "models")
        check_spelling(given, of=cls.__name__, known=cls.model_fields, own=own)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self._forget()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._forget()
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """The router and the models are shared: they never change, and clients cannot be copied."""
        shared = {id(each): each for each in (self.router, *self._clients().values())}
        return BaseModel.__deepcopy__(self.__copy__(), {**(memo or {}), **shared})

    def _forget(self) -> None:
        """Drop what was made of the fields, which are others now."""
        for name in ("decider", "_gathering"):
            self.__dict__.pop(name, None)

    @property
    def pool(self) -> ModelPool:
        """The pool; known before the router is loaded."""
        pool: ModelPool = self.router.pool
        return pool

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a call may set under `config["configurable"]`."""
        return [
            ConfigurableFieldSpec(id=name, annotation=Any, description=_DESCRIPTIONS[option])
            for option, name in OPTION_IDS.items()
        ]

    @cached_property
    def decider(self) -> Decider:
        """Decides for this surface."""
        router = self.router
        stated = is_stated(router)
        pool = with_abilities(self.pool, self._clients(), stated=stated)
        return Decider.of(router, pool, sticky=self.sticky, count_tokens=self.count_tokens)

    def _clients(self) -> Mapping[str, Any]:
        """The models that will answer, by name, where the surface has them."""
        return {}

    def _options(self, config: RunnableConfig | None, **given: object) -> RouteOptions:
        """The options of a call: its own arguments, else its configuration's, else the fields."""
        fields = {
            "policy": self.policy,
            "allow": self.allow,
            "require": self.require,
            "tags": self.require_tags,
        }
        configured = options_of((config or {}).get("configurable") or {})
        return RouteOptions.of(
            fields | configured | {k: v for k, v in given.items() if v is not None}
        )
