"""Stand-ins for LLMs of LlamaIndex: each has its own form of tools, which no other can read."""

import asyncio
import json
import threading

from chat_stubs import filled
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import Field

SECRET = "sk-plain-secret"


class StubLLM(FunctionCallingLLM):
    """Answers with its name and what it read last; calls the first tool `rounds` times a turn.

    `fails` is raised at every call, or by streams after `fails_after` chunks. `seen` has the
    messages and arguments of each call, `threads` who called.
    """

    model: str = "stub"
    api_key: str = Field(default=SECRET, exclude=True, repr=False)
    rounds: int = 1
    fails: Exception | None = None
    fails_after: int | None = None
    delay: float = 0.0
    window: int = 4000
    seen: list = Field(default_factory=list, exclude=True, repr=False)
    threads: list = Field(default_factory=list, exclude=True, repr=False)

    @property
    def metadata(self):
        return LLMMetadata(
            context_window=self.window,
            num_output=self.window // 10,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model,
        )

    # Tools, in a form of its own.

    def _prepare_chat_with_tools(
        self,
        tools,
        user_msg=None,
        chat_history=None,
        verbose=False,
        allow_parallel_tool_calls=False,
        tool_required=False,
        **kwargs,
    ):
        if isinstance(user_msg, str):
            user_msg = ChatMessage(user_msg)
        told = [
            {"name": tool.metadata.name, "parameters": tool.metadata.get_parameters_dict()}
            for tool in tools
        ]
        return {
            "messages": [*(chat_history or []), *([user_msg] if user_msg else [])],
            f"{self.model}_tools": told,
            "parallel": allow_parallel_tool_calls,
            "required": tool_required,
            **kwargs,
        }

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        if response.message.additional_kwargs.get("made_by") != self.model:
            raise AssertionError(f"{self.model} cannot read {response.message.additional_kwargs}")
        calls = response.message.additional_kwargs.get(f"{self.model}_calls", [])
        if not calls and error_on_no_tool_call:
            raise ValueError(f"{self.model}: no tool call")
        return [
            ToolSelection(tool_id=id, tool_name=name, tool_kwargs=json.loads(values))
            for id, name, values in calls
        ]

    # Answers.

    def _answer(self, messages, kwargs):
        self.seen.append({"messages": list(messages), "arguments": kwargs})
        self.threads.append(threading.current_thread())
        if self.fails is not None and self.fails_after is None:
            raise self.fails
        tools = kwargs.get(f"{self.model}_tools") or []
        users = [place for place, each in enumerate(messages) if each.role == MessageRole.USER]
        since = messages[users[-1] :] if users else messages
        done = sum(each.role == MessageRole.TOOL for each in since)
        extra = {"made_by": self.model}
        if tools and done < self.rounds:
            values = json.dumps(filled(tools[0]["parameters"]))
            extra[f"{self.model}_calls"] = [(f"call_{done}", tools[0]["name"], values)]
            extra["tool_calls"] = ["see above"]  # LlamaIndex looks whether there are any
            return "", extra
        return self._text(messages), extra

    def _text(self, messages):
        if "Action Input" not in (messages[0].content or ""):
            return f"{self.model}: {messages[-1].content}"[:200]
        if (messages[-1].content or "").startswith("Observation:"):
            return f"Thought: I can answer.\nAnswer: {self.model}"
        return 'Thought: I look.\nAction: look\nAction Input: {"place": "here"}'

    def _whole(self, messages, kwargs):
        text, extra = self._answer(messages, kwargs)
        message = ChatMessage(role="assistant", content=text, additional_kwargs=extra)
        return ChatResponse(message=message, raw={"model": self.model})

    def _chunks(self, messages, kwargs):
        text, extra = self._answer(messages, kwargs)
        words = text.splitlines(keepends=True) if "\n" in text else text.split(" ")
        so_far, join = "", "" if "\n" in text else " "
        for place, word in enumerate(words):
            if self.fails is not None and place == self.fails_after:
                raise self.fails
            delta = f"{join if place else ''}{word}"
            so_far += delta
            message = ChatMessage(role="assistant", content=so_far, additional_kwargs=extra)
            yield ChatResponse(message=message, delta=delta, raw={"model": self.model})

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        return self._whole(messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages, **kwargs):
        await asyncio.sleep(self.delay)
        return self._whole(messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages, **kwargs):
        return self._chunks(messages, kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages, **kwargs):
        async def chunks():
            for chunk in self._chunks(messages, kwargs):
                yield chunk

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        return _completed(self._whole([ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt, formatted=False, **kwargs):
        return _completed(self._whole([ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        return (_completed(chunk) for chunk in self._chunks([ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    async def astream_complete(self, prompt, formatted=False, **kwargs):
        async def chunks():
            for chunk in self._chunks([ChatMessage(prompt)], kwargs):
                yield _completed(chunk)

        return chunks()


def _completed(response):
    return CompletionResponse(text=response.message.content, delta=response.delta, raw=response.raw)


class OldLLM(StubLLM):
    """An LLM of before `tool_required`."""

    def _prepare_chat_with_tools(
        self,
        tools,
        user_msg=None,
        chat_history=None,
        verbose=False,
        allow_parallel_tool_calls=False,
        **kwargs,
    ):
        return super()._prepare_chat_with_tools(
            tools, user_msg, chat_history, verbose, allow_parallel_tool_calls, **kwargs
        )


class PlainLLM(CustomLLM):
    """An LLM without tools or a chat of its own."""

    model: str = "plain"
    seen: list = Field(default_factory=list, exclude=True, repr=False)

    @property
    def metadata(self):
        return LLMMetadata(model_name=self.model)

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        self.seen.append({"messages": [prompt], "arguments": kwargs})
        return CompletionResponse(text=self.model)

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        self.seen.append({"messages": [prompt], "arguments": kwargs})
        yield CompletionResponse(text=self.model, delta=self.model)
