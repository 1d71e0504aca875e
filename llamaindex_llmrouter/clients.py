"""LLMs from the pool: a class for each provider, and keys that are read when one is built."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.llms.llm import LLM

from knnrouter.errors import PoolError
from knnrouter.pool import ModelPool, ModelSpec
from knnrouter.serving import ClientSettings, Lazy, client_settings, refusal_of

__all__ = ["PROVIDERS", "Provider", "build_llm", "lazy_llms"]

_REFUSALS: tuple[type[Exception], ...] = (Exception,)
"""What a provider's class raises when it cannot be made is a type of its own."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Where LlamaIndex's class for a provider is, and how it names what all have."""

    slug: str
    """What the names of its package and its module end with."""
    name: str
    """The class; it takes `model`."""
    base_url: str | None = "api_base"
    """Its argument for the address; None: it takes none."""
    api_key: str | None = "api_key"
    """Its argument for the key; None: it takes none."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Arguments that a pool need not state, as a pool is of chat models."""

    @property
    def package(self) -> str:
        """The pip package."""
        return f"llama-index-llms-{self.slug}"

    @property
    def module(self) -> str:
        """The module that the class is in."""
        return f"llama_index.llms.{self.slug.replace('-', '_')}"


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(slug="anthropic", name="Anthropic", base_url="base_url"),
    "azure_openai": Provider(slug="azure-openai", name="AzureOpenAI", base_url="azure_endpoint"),
    "bedrock_converse": Provider(
        slug="bedrock-converse", name="BedrockConverse", base_url="endpoint_url", api_key=None
    ),
    "cohere": Provider(slug="cohere", name="Cohere", base_url="base_url"),
    "deepseek": Provider(slug="deepseek", name="DeepSeek"),
    "fireworks": Provider(slug="fireworks", name="Fireworks"),
    "google_genai": Provider(slug="google-genai", name="GoogleGenAI", base_url=None),
    "groq": Provider(slug="groq", name="Groq"),
    "mistralai": Provider(slug="mistralai", name="MistralAI", base_url="endpoint"),
    "nvidia": Provider(slug="nvidia", name="NVIDIA", base_url="base_url"),
    "ollama": Provider(slug="ollama", name="Ollama", base_url="base_url", api_key=None),
    "openai": Provider(slug="openai", name="OpenAI"),
    "openai_like": Provider(
        slug="openai-like",
        name="OpenAILike",
        defaults={"is_chat_model": True, "is_function_calling_model": True},
    ),
    "openrouter": Provider(slug="openrouter", name="OpenRouter"),
    "perplexity": Provider(slug="perplexity", name="Perplexity"),
    "together": Provider(slug="together", name="TogetherLLM"),
    "upstage": Provider(slug="upstage", name="Upstage"),
}
"""By LangChain's names of providers, which a pool.yaml uses; `openai_like` is LlamaIndex's alone,
for servers that speak OpenAI's API and serve models of their own."""


def lazy_llms(pool: ModelPool) -> dict[str, Lazy[LLM]]:
    """An LLM for each enabled model of the pool, built when it is first needed.

    Raises:
        PoolError: A model has no provider, one that is not in the table, or a key or an address
            that the provider's class does not take; all are named.
    """
    problems = [problem for spec in pool.enabled for problem in _problems(spec)]
    if problems:
        raise PoolError(problems)
    return {spec.name: _lazy(spec) for spec in pool.enabled}


def _lazy(spec: ModelSpec) -> Lazy[LLM]:
    return Lazy(lambda: build_llm(spec))


def _problems(spec: ModelSpec) -> Iterator[str]:
    place = f"models[{spec.name}]"
    if spec.provider is None:
        yield (
            f"{place}.provider is not set; add one, such as `provider: openai`, or pass "
            "ready-made LLMs: models={name: llm}"
        )
        return
    provider = PROVIDERS.get(spec.provider)
    if provider is None:
        yield (
            f"{place}.provider is {spec.provider!r}, which LlamaIndex is not served from here; "
            f"give one of {', '.join(PROVIDERS)}, or pass ready-made LLMs: models={{name: llm}}"
        )
        return
    taken = {"api_key_env": provider.api_key, "base_url": provider.base_url}
    stated = {"api_key_env": spec.api_key_env, "base_url": spec.base_url}
    for name in stated:
        if stated[name] is not None and taken[name] is None:
            yield (
                f"{place}.{name} is set, but {provider.name} of LlamaIndex takes none; leave it "
                "out, and state under `params` what it takes instead"
            )


def build_llm(spec: ModelSpec) -> LLM:
    """Build the LLM of a pool's model.

    What it shows of itself to listeners has its secrets replaced.

    Args:
        spec: The model; its `provider` is one of `PROVIDERS`.

    Raises:
        PoolError: A variable is not set, the provider's package is not installed, or a parameter
            is wrong or unknown. The message holds no secret, and no cause that may.
    """
    for problem in _problems(spec):
        raise PoolError(problem)
    settings = client_settings(spec, os.environ)
    made = _made(PROVIDERS[settings.provider], settings)
    if isinstance(made, LLM):
        return _veiled(made, settings)
    raise PoolError(
        f"models[{spec.name}]: the LLM of provider {settings.provider!r} cannot be built: "
        f"{settings.hide(made)}; mend the pool, or pass a ready-made LLM: "
        f"models={{{spec.name!r}: llm}}"
    )


def _made(provider: Provider, settings: ClientSettings) -> LLM | str:
    """The LLM, or why there is none: an error's cause and context may quote a key."""
    try:
        kind = getattr(importlib.import_module(provider.module), provider.name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{provider.module}.".startswith(f"{missing}."):
            return f"its package is not installed: pip install {provider.package}"
        return f"{provider.package} lacks {missing}: pip install --upgrade {provider.package}"
    except ImportError as error:
        return f"{provider.package} cannot be imported: {refusal_of(error)}"
    arguments = {**provider.defaults, **settings.params}
    if unknown := sorted(set(arguments) - _arguments_of(kind)):
        return f"{provider.name} takes no {' and no '.join(unknown)} under `params`"
    own = {provider.api_key: settings.api_key, provider.base_url: settings.base_url}
    arguments |= {name: value for name, value in own.items() if name and value is not None}
    try:
        llm: LLM = kind(model=settings.model, **arguments)
    except _REFUSALS as error:
        return refusal_of(error)
    try:
        _ = llm.metadata  # asked at each call; some classes know the models of their provider only
    except ValueError:
        like = PROVIDERS["openai_like"]
        if settings.base_url is not None and provider is PROVIDERS["openai"]:
            return _made(like, settings)  # another server with OpenAI's API, and models of its own
        return (
            f"{provider.name} does not know the model {settings.model!r}; name one of the "
            "provider's, or `provider: openai_like` for models of another server with OpenAI's API"
        )
    return llm


def _arguments_of(kind: type[LLM]) -> set[str]:
    """What a class takes when it is made; the rest it would silently drop."""
    names = set(kind.model_fields)
    names.update(each.alias for each in kind.model_fields.values() if each.alias)
    for base in kind.__mro__:
        if issubclass(base, LLM) and "__init__" in vars(base):
            names.update(inspect.signature(base.__init__).parameters)
    return names - {"self", "kwargs"}


def _veiled(llm: LLM, settings: ClientSettings) -> LLM:
    """The LLM, with its secrets hidden from its `repr`, from `to_dict` and from events."""
    settings = settings.hiding(dict(llm))
    names = ("model_dump", "model_dump_json", "to_payload", "__repr_args__")
    shown = {name: getattr(llm, name) for name in names if hasattr(llm, name)}
    vars(llm).update(  # on this one object; its class may serve others
        {name: _hidden(show, settings) for name, show in shown.items()}
    )
    return llm


def _hidden(show: Callable[..., Any], settings: ClientSettings) -> Callable[..., Any]:
    def hidden(*args: Any, **kwargs: Any) -> Any:
        value = show(*args, **kwargs)
        return settings.hide(list(value) if isinstance(value, Iterator) else value)

    return hidden
