"""A chat model that is many: each call goes to the one that the evidence favors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs, run_in_executor
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field, model_validator

from knnrouter.embedders import Embedder
from knnrouter.serving import Lazy, LazyRouter, loaded

from .capabilities import intersection, profile_of
from .clients import ModelsField, lazy_clients
from .deferred import BIND, Call, DeferredSchema, DeferredTools
from .event_streams import EventStreaming
from .generation import Generating
from .stamps import stamped

__all__ = ["ChatKNNRouter"]


class ChatKNNRouter(Generating, EventStreaming):
    """A chat model that routes each call, then lets the chosen model answer it.

    Whatever is bound to it (tools, a schema, stop words) is bound to the chosen model. The answer
    carries the decision in `response_metadata["knnrouter"]`.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from knnrouter import RecordSet, Router
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> chat = ChatKNNRouter(
        ...     router=Router.fit(RecordSet.from_rows(rows)),
        ...     models={
        ...         "coder": FakeListChatModel(responses=["int main;"]),
        ...         "poet": FakeListChatModel(responses=["O sea!"]),
        ...     },
        ... )
        >>> answer = chat.invoke("Write a poem on the waves of the sea.")
        >>> answer.content, answer.response_metadata["knnrouter"]["model"]
        ('O sea!', 'poet')
    """

    models: ModelsField = Field(repr=False, exclude=True)
    """The chat models by their names in the pool; one for each enabled model."""
    model_name: str = "knnrouter"
    """What traces call the router itself."""

    @classmethod
    def from_yaml(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, **fields: Any
    ) -> ChatKNNRouter:
        """The router and the clients of a pool.yaml, each loaded when it is first needed.

        Args:
            path: The file; it names the saved router, and a provider for each enabled model.
            embedder: What embedded the evidence; None: the one that comes with the library.
            **fields: Other fields, such as `shadow=True`; `models=` instead of the file's clients.

        Raises:
            PoolError: The file is wrong, or lacks something.
            MissingExtraError: langchain, which builds the clients, is not installed.
        """
        router = LazyRouter(path, embedder=embedder)
        if fields.get("models") is None:
            fields["models"] = lazy_clients(router.pool)
        return cls(router=router, **fields)

    @model_validator(mode="after")
    def _check_settings(self) -> ChatKNNRouter:
        problems = [
            f"{name} is set on the router, where it has no effect; {why}"
            for name, why in (
                ("cache", "set it on the models"),
                ("rate_limiter", "set it on the models"),
                ("disable_streaming", "set it on the models, which know whether they stream"),
                ("custom_get_token_ids", "set it on the models, which count their own tokens"),
            )
            if getattr(self, name, None)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def _llm_type(self) -> str:
        return "knnrouter"

    # What it can do.

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools to whichever model will be chosen; only models with tools are then chosen.

        Args:
            tools: As for any chat model; handed on as they are.
            tool_choice: As for any chat model.
            **kwargs: As for the chosen model.

        Raises:
            EmptyPoolError: No model of the pool has tools.
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self._deferred(DeferredTools(tools=list(tools), options=kwargs))

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Structure the output of whichever model will be chosen, by that model's own means.

        Args:
            schema: As for any chat model.
            include_raw: As for any chat model.
            **kwargs: `method`, `strict` and so on, handed on as they are.

        Raises:
            EmptyPoolError: No model of the pool can.
        """
        options = {"include_raw": include_raw, **kwargs}
        bound = self._deferred(DeferredSchema(schema=schema, options=options))
        made: type[Any] = schema if isinstance(schema, type) and not include_raw else dict
        return cast(
            "Runnable[LanguageModelInput, dict[str, Any] | BaseModel]",
            bound.with_types(output_type=made),
        )

    def _deferred(self, binding: DeferredTools | DeferredSchema) -> Runnable[Any, Any]:
        asked = self._options(None).needing(*binding.needs)
        self.decider.pool.eligible(allow=asked.allow, require=asked.require, tags=asked.tags)
        return self.bind(**{BIND: binding})

    def _resolve_model_profile(self) -> ModelProfile | None:
        return intersection(
            profile_of(spec, self.models.get(spec.name)) for spec in self.pool.enabled
        )

    def get_token_ids(self, text: str) -> list[int]:
        """The token ids of a text, by the pool's default model, else its first."""
        return self._usual.get_token_ids(text)

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """The tokens of messages, by the pool's default model, else its first."""
        return self._usual.get_num_tokens_from_messages(messages, tools)

    @property
    def _usual(self) -> BaseChatModel:
        return self._target(self.pool.router.default or self.pool.enabled_names[0])

    # How a call goes.

    def _clients(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.models)

    def _target(self, name: str) -> BaseChatModel:
        model: BaseChatModel = loaded(self.models[name])
        return model

    async def _atarget(self, name: str) -> BaseChatModel:
        model = self.models[name]
        if isinstance(model, Lazy):
            return await run_in_executor(None, self._target, name)
        return cast("BaseChatModel", model)

    def _query(self, given: Any) -> list[BaseMessage]:
        return self._convert_input(given).to_messages()

    def _configured(self, config: RunnableConfig | None) -> RunnableConfig | None:
        metadata = {k: v for k, v in (self.metadata or {}).items() if k != "lc_versions"}
        stated = {"tags": self.tags, "metadata": metadata, "callbacks": self.callbacks}
        own = {key: value for key, value in stated.items() if value}
        return merge_configs(cast("RunnableConfig", own), config) if own else config

    def _marked(self, output: Any, values: dict[str, Any], call: Call) -> Any:
        if isinstance(output, BaseMessage):
            return stamped(output, values)
        raw = output.get("raw") if isinstance(output, dict) else None
        if isinstance(call.binding, DeferredSchema) and isinstance(raw, BaseMessage):
            return type(output)({**output, "raw": stamped(raw, values)})
        return output
