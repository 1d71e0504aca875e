"""Prompts and structured output: routed by what the user asks, worded by the chosen LLM."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate, PromptTemplate
from llama_index.core.types import Model, TokenAsyncGen, TokenGen

from knnrouter.serving import OPTION_IDS, options_of

from .routing import Call
from .settings import RoutedLLM

__all__ = ["PromptingLLM"]


class PromptingLLM(RoutedLLM):
    """Hands prompts to the chosen LLM, which fills them in and reads the answer in its own way.

    What the user asked stands in the prompt's arguments where there is a `query_str`, and is routed
    without the documents around it.
    """

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`predict` of the chosen LLM."""
        call = self._prompted(prompt, prompt_args)
        return self._parse_output(
            self._dispatch.answered(call, lambda llm, rest: llm.predict(**rest))
        )

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`apredict` of the chosen LLM."""
        call = self._prompted(prompt, prompt_args)
        return self._parse_output(
            await self._dispatch.aanswered(call, lambda llm, rest: llm.apredict(**rest))
        )

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """`stream` of the chosen LLM; another is asked only before the first chunk."""
        self._check_no_parser()
        call = self._prompted(prompt, prompt_args)
        return self._dispatch.streamed(call, lambda llm, rest: llm.stream(**rest))

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """`astream` of the chosen LLM; another is asked only before the first chunk."""
        self._check_no_parser()
        call = self._prompted(prompt, prompt_args)
        return await self._dispatch.astreamed(call, lambda llm, rest: llm.astream(**rest))

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`structured_predict` of the chosen LLM, which can structure its output."""
        call = self._structured(prompt, prompt_args, llm_kwargs)
        made: Model = self._dispatch.answered(
            call, lambda llm, rest: llm.structured_predict(output_cls, **rest)
        )
        return made

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`astructured_predict` of the chosen LLM, which can structure its output."""
        call = self._structured(prompt, prompt_args, llm_kwargs)
        return await self._dispatch.aanswered(
            call, lambda llm, rest: llm.astructured_predict(output_cls, **rest)
        )

    def stream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | FlexibleModel, None, None]:
        """`stream_structured_predict` of the chosen LLM, which can structure its output."""
        call = self._structured(prompt, prompt_args, llm_kwargs)
        return self._dispatch.streamed(
            call, lambda llm, rest: llm.stream_structured_predict(output_cls, **rest)
        )

    async def astream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | FlexibleModel, None]:
        """`astream_structured_predict` of the chosen LLM, which can structure its output."""
        call = self._structured(prompt, prompt_args, llm_kwargs)
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_structured_predict(output_cls, **rest)
        )

    def _check_no_parser(self) -> None:
        if self.output_parser is not None:
            raise NotImplementedError(
                "the router has an output_parser, which cannot read streams; call predict, or "
                "leave the parser out"
            )

    def _structured(
        self,
        prompt: PromptTemplate,
        prompt_args: Mapping[str, Any],
        llm_kwargs: Mapping[str, Any] | None,
    ) -> Call:
        """The call; options of the router may stand among the arguments for the LLM."""
        asked = Call.of("", llm_kwargs or {})
        needs = self._dispatch.needing("structured_output")
        return self._prompted(
            prompt,
            prompt_args,
            needs=needs,
            options=asked.options,
            llm_kwargs=dict(asked.arguments) or None,
        )

    def _prompted(
        self,
        prompt: BasePromptTemplate,
        values: Mapping[str, Any],
        *,
        needs: tuple[str, ...] = (),
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Call:
        """The call; only options with a long name are the router's among values of a prompt."""
        read = options_of(values)
        ids = OPTION_IDS.values()
        filled = {name: value for name, value in values.items() if name not in ids}
        messages = self._get_messages(prompt, **filled)
        asked = {**prompt.kwargs, **filled}.get("query_str")  # synthesizers fill it in beforehand
        if self.system_prompt or self.output_parser:  # the router's, which no other LLM knows
            prompt, filled = ChatPromptTemplate(message_templates=messages), {}
        return Call(
            query=asked if isinstance(asked, str) and asked.strip() else messages,
            prompt=messages,
            options={**read, **(options or {})},
            needs=needs,
            arguments={"prompt": prompt, **more, **filled},
        )
