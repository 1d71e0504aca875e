"""What the LLM is made with: the router, the LLMs behind it, and how it decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Self, cast

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.types import PydanticProgramMode
from pydantic import ConfigDict, Field, PrivateAttr, field_serializer

from knnrouter import Router, policies
from knnrouter.embedders import Embedder
from knnrouter.pool import ModelPool
from knnrouter.serving import (
    Attempts,
    Decider,
    ErrorTypes,
    Lazy,
    LazyRouter,
    Names,
    Turns,
    by_pool_name,
    check_spelling,
    checked_policy,
    checked_router,
    is_stated,
    loaded,
    shadow_default,
)
from knnrouter.text import Sticky

from .abilities import joined_metadata, with_abilities
from .clients import lazy_llms
from .routing import Dispatch
from .tokens import counter_of

__all__ = ["RoutedLLM", "checked_llms"]


class RoutedLLM(FunctionCallingLLM):
    """The fields, and what is made of them; how calls go is said by the classes on top."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=(), hide_input_in_errors=True
    )

    path: str | None = None
    """The pool.yaml that all comes from; `from_dict` makes the LLM again of it."""
    embedder: Any = Field(default=None, repr=False)
    """What embedded the evidence, with `path`; None: the one of the library."""
    policy: Any = None
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
    shadow: bool = False
    """Decide and tell, but let the pool's default answer."""
    fallback_on: ErrorTypes = Field(default=(Exception,), exclude=True)
    """The errors of an LLM that let the next of the ranking answer."""
    count_tokens: Callable[[Any], int] | None = Field(default=None, repr=False, exclude=True)
    """Counts the tokens of a prompt, for context windows; None: the router's way."""

    _source: Router | LazyRouter = PrivateAttr()
    _models: dict[str, Any] = PrivateAttr()
    _turns: Turns = PrivateAttr(default_factory=Turns)
    _lent: dict[str, CallbackManager] = PrivateAttr(default_factory=dict)
    _of_file: bool = PrivateAttr()

    @classmethod
    def _check_spelling(cls, fields: Mapping[str, Any]) -> None:
        own = (*RoutedLLM.__annotations__, "router", "models")
        check_spelling(fields, of=cls.__name__, known=cls.model_fields, own=own)
        unknown = [name for name in fields if name not in {*cls.model_fields, *own}]
        if unknown:
            raise TypeError(
                f"{cls.__name__} has no field {', '.join(unknown)}; what LLMs are set with belongs "
                "to them: to those of models=, or to `params` in pool.yaml"
            )

    def _set_up(self, router: Router | LazyRouter | None, models: Mapping[str, LLM] | None) -> None:
        """Take the router and the LLMs, once the fields are set."""
        self._check_settings()
        self._source = _source(router, self.path, self.embedder)
        given = lazy_llms(self._source.pool) if models is None else checked_llms(models)
        self._models = by_pool_name(self._source.pool, given, what="models")
        self._of_file = router is None and models is None
        if self.shadow:
            shadow_default(self._source.pool)

    def _check_settings(self) -> None:
        """Refuse what would have no effect.

        Raises:
            ValueError: Something is set here that belongs to the LLMs; all of it is told.
            PolicyError: The policy is none.
        """
        checked_policy(self.policy)
        problems = [
            f"{name} is set on the router, where it has no effect; {why}"
            for name, given, why in (
                ("embedder", self.embedder is not None and self.path is None, "give it to Router"),
                (
                    "query_wrapper_prompt",
                    self.query_wrapper_prompt is not None,
                    "set it on the LLMs",
                ),
                ("rate_limiter", bool(getattr(self, "rate_limiter", None)), "set it on the LLMs"),
                (
                    "pydantic_program_mode",
                    self.pydantic_program_mode != PydanticProgramMode.DEFAULT,
                    "set it on the LLMs",
                ),
            )
            if given
        ]
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def pool(self) -> ModelPool:
        """The pool, with what the LLMs say of themselves where it says nothing."""
        return self._dispatch.decider.pool

    @property
    def metadata(self) -> LLMMetadata:
        """What holds whichever LLM answers: the least window and output; tools if any has them.

        Raises:
            EmptyPoolError: No LLM may answer, whatever is asked.
        """
        shadow = self._dispatch.shadow
        names = self.pool.eligible(allow=self.allow, require=self.require, tags=self.require_tags)
        specs = [self.pool.spec(name) for name in ((shadow,) if shadow else names)]
        return joined_metadata(specs, self._models, name="knnrouter")

    def warmup(self) -> None:
        """Load the router and build all LLMs, instead of at the first call.

        Raises:
            KnnRouterError: Something cannot be loaded or built; of LLMs, all are told.
        """
        self._dispatch.decider.warm_up(self._llm)

    def llm_of(self, name: str) -> LLM:
        """The LLM of a model, by its name in the pool; built now if it was not yet.

        Raises:
            UnknownModelError: The pool has no such model.
            PoolError: It cannot be built.
        """
        return self._llm(self.pool.spec(name).name)

    @cached_property
    def _dispatch(self) -> Dispatch:
        source = self._source
        stated = is_stated(source)
        pool = with_abilities(source.pool, self._models, stated=stated)
        return Dispatch(
            decider=Decider.of(source, pool, sticky=self.sticky, count_tokens=self._counter(pool)),
            llm=self._llm,
            allm=self._allm,
            options={
                "policy": self.policy,
                "allow": self.allow,
                "require": self.require,
                "tags": self.require_tags,
            },
            attempts=Attempts(fallback_on=self.fallback_on),
            shadow=shadow_default(pool) if self.shadow else None,
            turns=self._turns,
        )

    def _counter(self, pool: ModelPool) -> Callable[[Any], Any] | None:
        """What counts the tokens of prompts; None: the counter of the router."""
        source = self._source
        if self.count_tokens is None and isinstance(source, Router) and source.lineup.count_tokens:
            return None
        return self.count_tokens or counter_of(pool)

    def _llm(self, name: str) -> FunctionCallingLLM:
        """The LLM of a model. Only one that has tools is asked for them."""
        llm = cast("FunctionCallingLLM", loaded(self._models[name]))
        own = llm.callback_manager
        lent = self._lent.get(name)
        if self.callback_manager.handlers and (not own.handlers or own is lent):
            llm.callback_manager = self._lent[name] = self.callback_manager  # as `Settings` does
        return llm

    async def _allm(self, name: str) -> FunctionCallingLLM:
        """`_llm`; one that may have to be built first does not hold the event loop up."""
        if isinstance(self._models[name], Lazy):
            return await asyncio.to_thread(self._llm, name)
        return self._llm(name)

    # Copies and files.

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in RoutedLLM.__annotations__:
            self.__dict__.pop("_dispatch", None)  # made of other fields

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop("_dispatch", None)  # of the original, with its fields
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """The router and the LLMs are shared: clients cannot be copied."""
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from its file elsewhere: no client and no key travels."""
        by_name = self.embedder is None or isinstance(self.embedder, str)
        plain = self.count_tokens is None and self.fallback_on == (Exception,)
        if not (self._of_file and by_name and plain):
            raise TypeError(
                f"a {type(self).__name__} that was made of objects cannot be pickled; make it with "
                "from_yaml(path) and settings that are texts, then it can"
            )
        return type(self).from_dict, (self.to_dict(),)

    @field_serializer("policy")
    def _policy_text(self, policy: Any) -> str | None:
        return policy if policy is None or isinstance(policy, str) else policies.spec(policy)

    @field_serializer("embedder")
    def _embedder_text(self, embedder: Any) -> str | None:
        return embedder if isinstance(embedder, str) else None


def _source(
    router: object, path: str | None, embedder: str | Embedder | None
) -> Router | LazyRouter:
    if (router is None) == (path is None):
        what = "no router" if router is None else "both a router and a path"
        raise TypeError(f"there is {what}; give either router=, or path= of a pool.yaml")
    return checked_router(router) if path is None else LazyRouter(path, embedder=embedder)


def checked_llms(models: object) -> Mapping[str, Any]:
    """The mapping itself, if it is one of LLMs; some may not be built yet.

    Raises:
        TypeError: It is something else, or holds something else; all of that is named.
    """
    if not isinstance(models, Mapping) or not models:
        kind = "an empty dict" if models == {} else f"a {type(models).__name__}"
        raise TypeError(f"models is {kind}; give a mapping from names of the pool to LLMs")
    wrong = [
        f"models[{name!r}] is a {type(model).__name__}"
        for name, model in models.items()
        if not isinstance(model, LLM | Lazy)
    ]
    if wrong:
        raise TypeError(f"{', '.join(wrong)}; give LLMs of LlamaIndex")
    return models
