"""Stand-ins for providers: chat models that answer without a network, as faithfully as they can."""

import json
import time

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

UNICODE = "你好 こんにちは"


def filled(schema):
    """A value that a JSON schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return filled(schema["anyOf"][0])
    kind = schema.get("type")
    if kind == "object":
        return {name: filled(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [filled(schema.get("items", {}))]
    return {"integer": 3, "number": 3.0, "boolean": True}.get(kind, UNICODE)


class StubChat(BaseChatModel):
    """Answers with its name and what it read last; calls the first bound tool once a turn.

    `fails` is raised at every call, or by streams after `fails_after` chunks. `seen` has the
    messages and arguments of each call.
    """

    model: str = "stub"
    fails: Exception | None = None
    fails_after: int | None = None
    delay: float = 0.0
    seen: list = Field(default_factory=list, exclude=True, repr=False)

    @property
    def _llm_type(self):
        return "stub"

    def _get_ls_params(self, stop=None, **kwargs):
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "stub"
        return params

    def bind_tools(self, tools, *, tool_choice=None, **kwargs):
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=formatted, **kwargs)

    def with_structured_output(self, schema, *, include_raw=False, method=None, **kwargs):
        """Of the base class, for any method."""
        return super().with_structured_output(schema, include_raw=include_raw)

    def _answer(self, messages, kwargs):
        self.seen.append({"messages": list(messages), "arguments": kwargs})
        if self.delay:
            time.sleep(self.delay)
        if self.fails is not None and self.fails_after is None:
            raise self.fails
        tools = kwargs.get("tools") or []
        called = any(isinstance(message, ToolMessage) for message in messages[-2:])
        calls = []
        if tools and not called:
            function = tools[0]["function"]
            args = filled(function.get("parameters", {"type": "object"}))
            calls = [{"name": function["name"], "args": args, "id": f"call_{len(messages)}"}]
        text = "" if calls else f"{self.model}: {messages[-1].text}"[:200]
        for word in kwargs.get("stop") or []:
            text = text.split(word)[0]
        name = kwargs.get("model") or self.model
        metadata = {"model_name": name, "model_provider": "stub"}
        return text, calls, metadata

    @staticmethod
    def _usage():
        return UsageMetadata(input_tokens=5, output_tokens=5, total_tokens=10)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        text, calls, metadata = self._answer(messages, {**kwargs, "stop": stop})
        message = AIMessage(
            content=text,
            tool_calls=calls,
            usage_metadata=self._usage(),
            response_metadata=metadata,
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        text, calls, metadata = self._answer(messages, {**kwargs, "stop": stop})
        chunks = [AIMessageChunk(content=f"{word} ") for word in text.split(" ") if word]
        chunks += [
            AIMessageChunk(
                content="",
                tool_call_chunks=[
                    {
                        "name": call["name"],
                        "args": json.dumps(call["args"], ensure_ascii=False),
                        "id": call["id"],
                        "index": place,
                    }
                ],
            )
            for place, call in enumerate(calls)
        ]
        last = AIMessageChunk(
            content="",
            usage_metadata=self._usage(),
            response_metadata=metadata,
            chunk_position="last",
        )
        for place, message in enumerate([*chunks, last]):
            if self.fails is not None and place == self.fails_after:
                raise self.fails
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                run_manager.on_llm_new_token(message.text, chunk=chunk)
            yield chunk


class Recorder(BaseCallbackHandler):
    """Keeps the runs that it is told of, in order: (event, name, tags, metadata)."""

    def __init__(self):
        self.starts, self.ends, self.errors, self.tokens = [], [], [], []

    def on_chain_start(self, serialized, inputs, **kwargs):
        self.starts.append(("chain", kwargs))

    def on_chat_model_start(self, serialized, messages, **kwargs):
        self.starts.append(("chat_model", kwargs))

    def on_llm_new_token(self, token, **kwargs):
        self.tokens.append(token)

    def on_llm_end(self, response, **kwargs):
        self.ends.append(("chat_model", response))

    def on_chain_end(self, outputs, **kwargs):
        self.ends.append(("chain", outputs))

    def on_llm_error(self, error, **kwargs):
        self.errors.append(("chat_model", error))

    def on_chain_error(self, error, **kwargs):
        self.errors.append(("chain", error))

    def count(self, kind):
        return sum(each == kind for each, _ in self.starts)


def echo(name):
    """A runnable that answers with its name."""
    return RunnableLambda(lambda given: f"{name}: {given}", name=name)
