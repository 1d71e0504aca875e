"""`generate` and its kin: many prompts, each by the model that is chosen for it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
    Callbacks,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, run_in_executor

from .deferred import Call
from .dispatch import Dispatching
from .stamps import stamped

__all__ = ["Generating"]


class Generating(Dispatching, BaseChatModel):
    """Answers prompts in the form of `LLMResult`; one embedding and one search for all."""

    def _target(self, name: str) -> BaseChatModel:
        raise NotImplementedError

    async def _atarget(self, name: str) -> BaseChatModel:
        return cast("BaseChatModel", await super()._atarget(name))

    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """`BaseChatModel.generate`; each prompt by its model, one after the other."""
        arguments = {**kwargs, "stop": stop}
        configs = _configs(len(messages), callbacks, tags, metadata, run_name, run_id)
        planned = self._planned(messages, configs, Call.of(arguments))
        pairs = zip(messages, planned, strict=True)
        return _together(
            [self._generated(prompt, *self._begun(arguments, config)) for prompt, config in pairs]
        )

    async def agenerate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """`generate`, awaited; all prompts at once, and all are waited for before an error."""
        arguments = {**kwargs, "stop": stop}
        configs = _configs(len(messages), callbacks, tags, metadata, run_name, run_id)
        planned = await run_in_executor(None, self._planned, messages, configs, Call.of(arguments))
        results = await asyncio.gather(
            *(
                self._agenerated(prompt, *self._begun(arguments, config))
                for prompt, config in zip(messages, planned, strict=True)
            ),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return _together(cast("list[LLMResult]", results))

    def _generated(
        self, prompt: list[BaseMessage], call: Call, config: RunnableConfig | None
    ) -> LLMResult:
        def run(given: list[BaseMessage], run_manager: object, config: RunnableConfig) -> LLMResult:
            route = self._route(given, config, call)

            def ask(name: str) -> LLMResult:
                traced = _arguments(self._traced(config, route, name))
                return self._target(name).generate([given], **traced, **call.arguments)

            answer = self._attempts.ask(route.order, ask)
            return _marked(answer.value, route.values(answer))

        result: LLMResult = self._call_with_config(run, prompt, config)
        return result

    async def _agenerated(
        self, prompt: list[BaseMessage], call: Call, config: RunnableConfig | None
    ) -> LLMResult:
        async def run(
            given: list[BaseMessage], run_manager: object, config: RunnableConfig
        ) -> LLMResult:
            route = await self._aroute(given, config, call)

            async def ask(name: str) -> LLMResult:
                traced = _arguments(self._traced(config, route, name))
                model = await self._atarget(name)
                return await model.agenerate([given], **traced, **call.arguments)

            answer = await self._attempts.aask(route.order, ask)
            return _marked(answer.value, route.values(answer))

        result: LLMResult = await self._acall_with_config(run, prompt, config)
        return result

    # For callers that have opened a run of the router itself: the chosen model answers within it.

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = Call.of({**kwargs, "stop": stop})
        route = self._route(messages, {}, call)

        def ask(name: str) -> ChatResult:
            model = self._target(name)
            return model._generate(messages, run_manager=run_manager, **call.arguments)

        answer = self._attempts.ask(route.order, ask)
        values = route.values(answer)
        generations = [_stamped(each, values) for each in answer.value.generations]
        return ChatResult(generations=generations, llm_output=answer.value.llm_output)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = Call.of({**kwargs, "stop": stop})
        route = await self._aroute(messages, {}, call)

        async def ask(name: str) -> ChatResult:
            model = await self._atarget(name)
            return await model._agenerate(messages, run_manager=run_manager, **call.arguments)

        answer = await self._attempts.aask(route.order, ask)
        values = route.values(answer)
        generations = [_stamped(each, values) for each in answer.value.generations]
        return ChatResult(generations=generations, llm_output=answer.value.llm_output)


def _configs(
    count: int,
    callbacks: Callbacks,
    tags: list[str] | None,
    metadata: dict[str, Any] | None,
    run_name: str | None,
    run_id: uuid.UUID | None,
) -> list[RunnableConfig]:
    """A configuration for each prompt; a stated run id is that of the first."""
    config: dict[str, Any] = {
        "callbacks": callbacks,
        "tags": tags,
        "metadata": metadata,
        "run_name": run_name,
    }
    stated = {key: value for key, value in config.items() if value is not None}
    configs = [RunnableConfig(**stated) for _ in range(count)]  # type: ignore[typeddict-item]
    if configs and run_id is not None:
        configs[0]["run_id"] = run_id
    return [ensure_config(each) for each in configs]


def _arguments(config: RunnableConfig) -> dict[str, Any]:
    """A configuration as `generate` takes it."""
    return {key: config.get(key) for key in ("callbacks", "tags", "metadata")}


def _marked(result: LLMResult, values: dict[str, Any]) -> LLMResult:
    generations = [[_stamped(each, values) for each in row] for row in result.generations]
    return result.model_copy(update={"generations": generations})


def _stamped(generation: Any, values: dict[str, Any]) -> Any:
    """The generation with the decision in its message, if it has one."""
    if not isinstance(generation, ChatGeneration):
        return generation
    return generation.model_copy(update={"message": stamped(generation.message, values)})


def _together(results: Sequence[LLMResult]) -> LLMResult:
    """The results of one prompt each as one result."""
    return LLMResult(
        generations=[row for result in results for row in result.generations],
        llm_output=results[0].llm_output if len(results) == 1 else {},
        run=[run for result in results for run in result.run or ()] or None,
    )
