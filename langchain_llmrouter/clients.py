"""Chat models from the pool: LangChain builds them, with keys that are read at that moment."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from knnrouter.errors import MissingExtraError, PoolError
from knnrouter.pool import ModelPool, ModelSpec
from knnrouter.serving import Lazy, client_settings

__all__ = ["build_client", "lazy_clients"]


def lazy_clients(pool: ModelPool) -> dict[str, Lazy[BaseChatModel]]:
    """A client for each enabled model of the pool, built when it is first needed.

    Raises:
        MissingExtraError: langchain is not installed.
        PoolError: A model has no provider; all such are named.
    """
    if importlib.util.find_spec("langchain") is None:
        raise MissingExtraError("building clients from a pool.yaml", extra="agents")
    homeless = [spec.name for spec in pool.enabled if spec.provider is None]
    if homeless:
        raise PoolError(
            [
                f"models[{name}].provider is not set; add one, such as `provider: openai`, or "
                "pass ready-made models: models={name: model}"
                for name in homeless
            ]
        )
    return {spec.name: Lazy(lambda spec=spec: build_client(spec)) for spec in pool.enabled}  # type: ignore[misc]


def build_client(spec: ModelSpec) -> BaseChatModel:
    """Build the chat model of a pool's model.

    Args:
        spec: The model; its `provider` is a name that `init_chat_model` knows.

    Returns:
        The chat model.

    Raises:
        PoolError: A variable is not set, the provider is unknown, its package is not installed,
            or a parameter is wrong. The message holds no secret.
    """
    from langchain.chat_models import init_chat_model

    settings = client_settings(spec, os.environ)
    arguments: dict[str, Any] = dict(settings.params)
    if settings.api_key is not None:
        arguments["api_key"] = SecretStr(settings.api_key)
    if settings.base_url is not None:
        arguments["base_url"] = settings.base_url
    try:
        model: BaseChatModel = init_chat_model(
            settings.model, model_provider=settings.provider, **arguments
        )
    except (ImportError, ValueError, TypeError) as error:
        # The cause is left out on purpose: it may quote a key.
        raise PoolError(
            f"models[{spec.name}]: the client of provider {settings.provider!r} cannot be built: "
            f"{settings.hide(str(error))}"
        ) from None
    return model
