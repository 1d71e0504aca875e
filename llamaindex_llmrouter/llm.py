"""An LLM that is many: each call goes to the one that the evidence favors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM, ToolSelection
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.tools import BaseTool
from llama_index.core.types import Model, TokenAsyncGen, TokenGen
from pydantic import PrivateAttr, field_serializer

from knnrouter import Router, policies
from knnrouter.embedders import Embedder
from knnrouter.pool import ModelPool
from knnrouter.serving import (
    KEY,
    Attempts,
    Decider,
    Lazy,
    LazyRouter,
    by_pool_name,
    checked_policy,
    checked_router,
    loaded,
    shadow_default,
)
from knnrouter.text import Sticky

from .abilities import joined_metadata, with_abilities
from .clients import lazy_llms
from .routing import Call, Dispatch

__all__ = ["KNNRouterLLM"]

Message = str | ChatMessage


class KNNRouterLLM(FunctionCallingLLM):
    """An LLM that routes each call, then lets the chosen LLM answer it by its own means.

    Only the chosen LLM fires LLM events, so tokens are counted once; a `RouteDecisionEvent` comes
    before them. Answers carry the decision in `additional_kwargs["knnrouter"]`. In any call,
    `model=name` names the LLM that must answer, and `knnrouter_policy`, `knnrouter_allow`,
    `knnrouter_require` and `knnrouter_tags` are what `Router.route` takes.

    Args:
        router: A `knnrouter.Router`; None: that of `path`.
        models: The LLMs by their names in the pool, one for each enabled model; None: built from
            the pool of `path`, each when it is first needed.
        path: A pool.yaml, instead of a router.
        embedder: What embedded the evidence, with `path`; None: the one of the library.
        count_tokens: Counts the tokens of a prompt, for context windows; None: the router's way.
        fallback_on: The errors of an LLM that let the next of the ranking answer.
        **fields: The fields below.

    Raises:
        PoolError: The file is wrong, or lacks something.
        UnknownModelError: The LLMs do not fit the pool.
        TypeError: There is neither a router nor a path, or an argument is of a wrong kind.

    Example:
        >>> from llama_index.core.llms import MockLLM
        >>> from knnrouter import RecordSet
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> llm = KNNRouterLLM(
        ...     router=Router.fit(RecordSet.from_rows(rows)),
        ...     models={"coder": MockLLM(max_tokens=1), "poet": MockLLM(max_tokens=2)},
        ... )
        >>> answer = llm.complete("Write a poem on the waves of the sea.")
        >>> answer.additional_kwargs["knnrouter"]["model"]
        'poet'
    """

    path: str | None = None
    """The pool.yaml that all comes from; `from_dict` makes the LLM again of it."""
    policy: Any = None
    """A policy or its text, instead of the pool's."""
    allow: tuple[str, ...] | None = None
    """Names of the models that may answer; None: all that are enabled."""
    require: tuple[str, ...] = ()
    """Capabilities that the model must have."""
    require_tags: tuple[str, ...] = ()
    """Tags that the model must have."""
    sticky: Sticky | None = None
    """How long a choice holds: for one "call", one user "turn", or the "thread"; None: as the
    pool says, which is "turn" unless it is set."""
    shadow: bool = False
    """Decide and tell, but let the pool's default answer."""

    _models: dict[str, Any] = PrivateAttr()
    _dispatch: Dispatch = PrivateAttr()

    def __init__(
        self,
        *,
        router: Router | LazyRouter | None = None,
        models: Mapping[str, LLM] | None = None,
        path: str | Path | None = None,
        embedder: str | Embedder | None = None,
        count_tokens: Callable[[Any], int] | None = None,
        fallback_on: tuple[type[Exception], ...] = (Exception,),
        **fields: Any,
    ) -> None:
        super().__init__(path=None if path is None else str(path), **fields)
        checked_policy(self.policy)
        source = _source(router, path, embedder)
        given = lazy_llms(source.pool) if models is None else _checked(models)
        self._models = by_pool_name(source.pool, given, what="models")
        stated = isinstance(source, LazyRouter) or source.lineup.stated
        pool = with_abilities(source.pool, self._models, stated=stated)
        self._dispatch = Dispatch(
            decider=Decider.of(source, pool, sticky=self.sticky, count_tokens=count_tokens),
            llm=self._llm,
            options={
                "policy": self.policy,
                "allow": self.allow,
                "require": self.require,
                "tags": self.require_tags,
            },
            attempts=Attempts(fallback_on=fallback_on),
            shadow=shadow_default(pool) if self.shadow else None,
        )

    @classmethod
    def from_yaml(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, **fields: Any
    ) -> KNNRouterLLM:
        """The router and the LLMs of a pool.yaml, each loaded when it is first needed.

        Args:
            path: The file; it names the saved router, and a provider for each enabled model.
            embedder: What embedded the evidence; None: the one that comes with the library.
            **fields: Other arguments, such as `shadow=True`; `models=` instead of the file's.

        Raises:
            PoolError: The file is wrong, or lacks something.
        """
        return cls(path=path, embedder=embedder, **fields)

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized form."""
        return "KNNRouterLLM"

    @property
    def pool(self) -> ModelPool:
        """The pool, with what the LLMs say of themselves where it says nothing."""
        return self._dispatch.decider.pool

    @property
    def metadata(self) -> LLMMetadata:
        """What holds whichever LLM answers: the least window and output; tools if any has them."""
        return joined_metadata(self.pool, self._models, name="knnrouter")

    def warmup(self) -> None:
        """Load the router and build all LLMs, instead of at the first call.

        Raises:
            KnnRouterError: Something cannot be loaded or built; of LLMs, all are told.
        """
        self._dispatch.decider.warm_up(self._llm)

    def _llm(self, name: str) -> LLM:
        llm: LLM = loaded(self._models[name])
        if self.callback_manager.handlers and not llm.callback_manager.handlers:
            llm.callback_manager = self.callback_manager  # as `Settings` does with its LLM
        return llm

    # Chat and completion.

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat` of the chosen LLM."""
        call = Call.of(list(messages), kwargs)
        return self._dispatch.answered(call, lambda llm, rest: llm.chat(messages, **rest))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`achat` of the chosen LLM."""
        call = Call.of(list(messages), kwargs)
        return await self._dispatch.aanswered(call, lambda llm, rest: llm.achat(messages, **rest))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """`stream_chat` of the chosen LLM; another is asked only before the first chunk."""
        call = Call.of(list(messages), kwargs)
        return self._dispatch.streamed(call, lambda llm, rest: llm.stream_chat(messages, **rest))

    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """`astream_chat` of the chosen LLM; another is asked only before the first chunk."""
        call = Call.of(list(messages), kwargs)
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_chat(messages, **rest)
        )

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete` of the chosen LLM."""
        call = Call.of(prompt, kwargs)
        return self._dispatch.answered(
            call, lambda llm, rest: llm.complete(prompt, formatted, **rest)
        )

    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        """`acomplete` of the chosen LLM."""
        call = Call.of(prompt, kwargs)
        return await self._dispatch.aanswered(
            call, lambda llm, rest: llm.acomplete(prompt, formatted, **rest)
        )

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """`stream_complete` of the chosen LLM; another is asked only before the first chunk."""
        call = Call.of(prompt, kwargs)
        return self._dispatch.streamed(
            call, lambda llm, rest: llm.stream_complete(prompt, formatted, **rest)
        )

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """`astream_complete` of the chosen LLM; another is asked only before the first chunk."""
        call = Call.of(prompt, kwargs)
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_complete(prompt, formatted, **rest)
        )

    # Tools. Each provider prepares them in its own way, so the routing comes first.

    def chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponse:
        """`chat_with_tools` of the chosen LLM, which has tools."""
        call = Call.of(_conversation(user_msg, chat_history), kwargs, needs=_needs(tools))
        given = {"user_msg": user_msg, "chat_history": chat_history}
        return self._dispatch.answered(
            call, lambda llm, rest: llm.chat_with_tools(tools, **given, **rest)
        )

    async def achat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponse:
        """`achat_with_tools` of the chosen LLM, which has tools."""
        call = Call.of(_conversation(user_msg, chat_history), kwargs, needs=_needs(tools))
        given = {"user_msg": user_msg, "chat_history": chat_history}
        return await self._dispatch.aanswered(
            call, lambda llm, rest: llm.achat_with_tools(tools, **given, **rest)
        )

    def stream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponseGen:
        """`stream_chat_with_tools` of the chosen LLM, which has tools."""
        call = Call.of(_conversation(user_msg, chat_history), kwargs, needs=_needs(tools))
        given = {"user_msg": user_msg, "chat_history": chat_history}
        return self._dispatch.streamed(
            call, lambda llm, rest: llm.stream_chat_with_tools(tools, **given, **rest)
        )

    async def astream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponseAsyncGen:
        """`astream_chat_with_tools` of the chosen LLM, which has tools."""
        call = Call.of(_conversation(user_msg, chat_history), kwargs, needs=_needs(tools))
        given = {"user_msg": user_msg, "chat_history": chat_history}
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_chat_with_tools(tools, **given, **rest)
        )

    def predict_and_call(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """`predict_and_call` of the chosen LLM."""
        call = Call.of(_conversation(user_msg, chat_history), kwargs, needs=_needs(tools))
        given = {"user_msg": user_msg, "chat_history": chat_history}
        return self._dispatch.answered(
            call, lambda llm, rest: llm.predict_and_call(tools, **given, **rest)
        )

    async def apredict_and_call(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """`apredict_and_call` of the chosen LLM."""
        call = Call.of(_conversation(user_msg, chat_history), kwargs, needs=_needs(tools))
        given = {"user_msg": user_msg, "chat_history": chat_history}
        return await self._dispatch.aanswered(
            call, lambda llm, rest: llm.apredict_and_call(tools, **given, **rest)
        )

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls of an answer, as the LLM that gave it reads them.

        Raises:
            ValueError: The answer does not say who gave it.
        """
        told = response.additional_kwargs.get(KEY)
        name = told.get("answered_by") if isinstance(told, dict) else None
        if name not in self._models:
            raise ValueError(
                f"the answer says that {name!r} gave it, which is no model of the pool; hand on "
                "answers of this LLM as they are, with their additional_kwargs"
            )
        llm: Any = self._llm(name)
        return llm.get_tool_calls_from_response(
            response, error_on_no_tool_call=error_on_no_tool_call, **kwargs
        )

    def _prepare_chat_with_tools(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        raise NotImplementedError(
            "tools are prepared by the LLM that is chosen; call one of the *_with_tools methods"
        )

    # Prompts. What the user asked stands in the prompt's arguments where there is a `query_str`,
    # and is routed without the documents around it.

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`predict` of the chosen LLM."""
        if self._wraps:
            return super().predict(prompt, **prompt_args)
        return self._dispatch.answered(
            self._prompted(prompt, prompt_args), lambda llm, _: llm.predict(prompt, **prompt_args)
        )

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`apredict` of the chosen LLM."""
        if self._wraps:
            return await super().apredict(prompt, **prompt_args)
        return await self._dispatch.aanswered(
            self._prompted(prompt, prompt_args), lambda llm, _: llm.apredict(prompt, **prompt_args)
        )

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """`stream` of the chosen LLM."""
        if self._wraps:
            return super().stream(prompt, **prompt_args)
        return self._dispatch.streamed(
            self._prompted(prompt, prompt_args), lambda llm, _: llm.stream(prompt, **prompt_args)
        )

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """`astream` of the chosen LLM."""
        if self._wraps:
            return await super().astream(prompt, **prompt_args)
        return await self._dispatch.astreamed(
            self._prompted(prompt, prompt_args), lambda llm, _: llm.astream(prompt, **prompt_args)
        )

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`structured_predict` of the chosen LLM, which can structure its output."""
        return self._dispatch.answered(
            self._prompted(prompt, prompt_args, "structured_output"),
            lambda llm, _: llm.structured_predict(output_cls, prompt, llm_kwargs, **prompt_args),
        )

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`astructured_predict` of the chosen LLM, which can structure its output."""
        return await self._dispatch.aanswered(
            self._prompted(prompt, prompt_args, "structured_output"),
            lambda llm, _: llm.astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args),
        )

    def stream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any]:
        """`stream_structured_predict` of the chosen LLM, which can structure its output."""
        return self._dispatch.streamed(
            self._prompted(prompt, prompt_args, "structured_output"),
            lambda llm, _: llm.stream_structured_predict(
                output_cls, prompt, llm_kwargs, **prompt_args
            ),
        )

    async def astream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any]:
        """`astream_structured_predict` of the chosen LLM, which can structure its output."""
        return await self._dispatch.astreamed(
            self._prompted(prompt, prompt_args, "structured_output"),
            lambda llm, _: llm.astream_structured_predict(
                output_cls, prompt, llm_kwargs, **prompt_args
            ),
        )

    @property
    def _wraps(self) -> bool:
        """Whether the router itself changes prompts or answers, as any LLM can be told to."""
        return bool(self.system_prompt or self.output_parser or self.query_wrapper_prompt)

    def _prompted(self, prompt: BasePromptTemplate, values: Mapping[str, Any], *needs: str) -> Call:
        messages = prompt.format_messages(llm=self, **values)
        asked = {**prompt.kwargs, **values}.get("query_str")  # synthesizers fill it in beforehand
        query = asked if isinstance(asked, str) and asked.strip() else messages
        return Call.of(query, {}, prompt=messages, needs=needs)

    # Copies and files.

    @field_serializer("policy")
    def _policy_text(self, policy: Any) -> str | None:
        return policy if policy is None or isinstance(policy, str) else policies.spec(policy)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """The router and the LLMs are shared: clients cannot be copied."""
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from its file elsewhere: no client and no key travels."""
        if self.path is None:
            raise TypeError(
                "a KNNRouterLLM that was made of objects cannot be pickled; make it with "
                "from_yaml(path), which can"
            )
        return type(self).from_dict, (self.to_dict(),)


def _source(
    router: object, path: str | Path | None, embedder: str | Embedder | None
) -> Router | LazyRouter:
    if router is not None:
        return checked_router(router)
    if path is None:
        raise TypeError("there is no router; give router=, or path= of a pool.yaml")
    return LazyRouter(path, embedder=embedder)


def _needs(tools: Sequence[BaseTool]) -> tuple[str, ...]:
    return ("tools",) if tools else ()


def _conversation(
    user_msg: Message | None, chat_history: Sequence[ChatMessage] | None
) -> list[ChatMessage]:
    """The messages that a call with tools is about."""
    if isinstance(user_msg, str):
        user_msg = ChatMessage(role="user", content=user_msg)
    return [*(chat_history or ()), *([] if user_msg is None else [user_msg])]


def _checked(models: object) -> Mapping[str, Any]:
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
