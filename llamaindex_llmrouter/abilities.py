"""What the LLMs can do: as the pool states it, else as their metadata says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW, DEFAULT_NUM_OUTPUTS
from llama_index.core.llms.llm import LLM

from knnrouter.pool import KNOWN_CAPABILITIES, ModelPool, ModelSpec
from knnrouter.serving import completed

__all__ = ["joined_metadata", "with_abilities"]

_OWN = ("tools", "structured_output")
"""Capabilities that LLMs tell of themselves."""


def with_abilities(pool: ModelPool, models: Mapping[str, object], *, stated: bool) -> ModelPool:
    """The pool, with what it leaves open filled in from the LLMs.

    Where no model of the pool lists capabilities, an LLM has tools if its metadata says so, or if
    it is not built yet; structured output, which LlamaIndex makes from text where it must; and
    nothing else if the pool was stated by the user, all else if it was not. An unstated context
    window is the metadata's, unless that is LlamaIndex's default for LLMs that state none.

    Args:
        pool: The pool.
        models: The LLMs by name, as far as they are known.
        stated: Whether the user stated the pool.

    Returns:
        A pool of the same models.
    """

    def capabilities(spec: ModelSpec) -> Iterable[str]:
        model = models.get(spec.name)
        if not isinstance(model, LLM) or model.metadata.is_function_calling_model:
            yield "tools"
        yield "structured_output"
        if not stated:
            yield from (name for name in KNOWN_CAPABILITIES if name not in _OWN)

    def context_window(spec: ModelSpec) -> int | None:
        model = models.get(spec.name)
        window = model.metadata.context_window if isinstance(model, LLM) else None
        return None if window == DEFAULT_CONTEXT_WINDOW else window

    return completed(pool, capabilities=capabilities, context_window=context_window)


def joined_metadata(
    specs: Sequence[ModelSpec], models: Mapping[str, object], *, name: str
) -> LLMMetadata:
    """The metadata of several LLMs together: what holds whichever answers.

    Args:
        specs: Their entries in the pool, with abilities; what they state goes before what an LLM
            says.
        models: The LLMs by name, as far as they are built.
        name: The name of the whole.

    Returns:
        The least window and the least output; tools if any LLM has them, for only those are asked
        where tools are; a chat model if all are.
    """
    windows, outputs, chats = [], [], []
    for spec in specs:
        model = models.get(spec.name)
        own = model.metadata if isinstance(model, LLM) else LLMMetadata(is_chat_model=True)
        windows.append(spec.context_window or own.context_window)
        outputs.append(spec.max_output_tokens or own.num_output)
        chats.append(own.is_chat_model)
    return LLMMetadata(
        context_window=min(windows, default=DEFAULT_CONTEXT_WINDOW),
        num_output=min(outputs, default=DEFAULT_NUM_OUTPUTS),
        is_chat_model=all(chats),
        is_function_calling_model=any("tools" in spec.capabilities for spec in specs),
        model_name=name,
    )
