"""LLMs from the pool: a class for each provider, and keys that are read when one is built."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from llama_index.core.llms.llm import LLM

from knnrouter.errors import PoolError
from knnrouter.pool import ModelPool, ModelSpec
from knnrouter.serving import Lazy, client_settings

__all__ = ["PROVIDERS", "Provider", "build_llm", "lazy_llms"]


@dataclass(frozen=True)
class Provider:
    """Where LlamaIndex's class for a provider is, and how it names what all have."""

    package: str
    """The pip package."""
    module: str
    name: str
    """The class in the module."""
    base_url: str = "api_base"
    """Its argument for the address."""
    api_key: str = "api_key"
    """Its argument for the key."""


def _provider(slug: str, name: str, **arguments: str) -> Provider:
    module = slug.replace("-", "_")
    return Provider(f"llama-index-llms-{slug}", f"llama_index.llms.{module}", name, **arguments)


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": _provider("anthropic", "Anthropic", base_url="base_url"),
    "azure_openai": _provider("azure-openai", "AzureOpenAI", base_url="azure_endpoint"),
    "bedrock_converse": _provider("bedrock-converse", "BedrockConverse"),
    "cohere": _provider("cohere", "Cohere"),
    "deepseek": _provider("deepseek", "DeepSeek"),
    "fireworks": _provider("fireworks", "Fireworks"),
    "google_genai": _provider("google-genai", "GoogleGenAI"),
    "groq": _provider("groq", "Groq"),
    "mistralai": _provider("mistralai", "MistralAI", base_url="endpoint"),
    "nvidia": _provider("nvidia", "NVIDIA", base_url="base_url"),
    "ollama": _provider("ollama", "Ollama", base_url="base_url"),
    "openai": _provider("openai", "OpenAI"),
    "openai_like": _provider("openai-like", "OpenAILike"),
    "openrouter": _provider("openrouter", "OpenRouter"),
    "perplexity": _provider("perplexity", "Perplexity"),
    "together": _provider("together", "TogetherLLM"),
    "xai": _provider("xai", "XAI"),
}
"""By LangChain's names of providers, which a pool.yaml uses."""


def lazy_llms(pool: ModelPool) -> dict[str, Lazy[LLM]]:
    """An LLM for each enabled model of the pool, built when it is first needed.

    Raises:
        PoolError: A model has no provider, or one that is not in the table; all are named.
    """
    problems = [
        f"models[{spec.name}].provider is {spec.provider!r}; give one of {', '.join(PROVIDERS)}, "
        "or pass ready-made LLMs: models={name: llm}"
        for spec in pool.enabled
        if spec.provider not in PROVIDERS
    ]
    if problems:
        raise PoolError(problems)
    return {spec.name: _lazy(spec) for spec in pool.enabled}


def _lazy(spec: ModelSpec) -> Lazy[LLM]:
    return Lazy(lambda: build_llm(spec))


def build_llm(spec: ModelSpec) -> LLM:
    """Build the LLM of a pool's model.

    Args:
        spec: The model; its `provider` is one of `PROVIDERS`.

    Raises:
        PoolError: A variable is not set, the provider's package is not installed, or a parameter
            is wrong. The message holds no secret, and no cause that may.
    """
    settings = client_settings(spec, os.environ)
    provider = PROVIDERS[settings.provider]
    arguments = dict(settings.params)
    if settings.api_key is not None:
        arguments[provider.api_key] = settings.api_key
    if settings.base_url is not None:
        arguments[provider.base_url] = settings.base_url
    try:
        made: LLM = getattr(importlib.import_module(provider.module), provider.name)(
            model=settings.model, **arguments
        )
    except ImportError:
        problem = f"its package is not installed: pip install {provider.package}"
    except (ValueError, TypeError) as error:
        problem = str(settings.hide(str(error)))
    else:
        return made
    raise PoolError(
        f"models[{spec.name}]: the LLM of {settings.provider!r} cannot be built: {problem}"
    )
