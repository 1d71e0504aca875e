"""Chat models: those that are given, and those of the pool, which LangChain builds when needed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from pydantic import BeforeValidator, SecretStr

from knnrouter.errors import MissingExtraError, PoolError
from knnrouter.pool import ModelPool, ModelSpec
from knnrouter.serving import ClientSettings, Lazy, client_settings, refusal_of

from .settings import ByPoolName

__all__ = ["ModelsField", "build_client", "lazy_clients"]

_NOT_PARAMS = ("model_provider", "configurable_fields", "config_prefix")
"""What `init_chat_model` takes for itself; the second would open keys to every caller."""

_REFUSALS: tuple[type[Exception], ...] = (Exception,)
"""What a provider's class raises when it cannot be made is a type of its own."""


def _checked_models(models: object) -> object:
    if not isinstance(models, Mapping) or not models:
        raise TypeError(
            f"models is {'an empty ' if models == {} else 'a '}{type(models).__name__}; give a "
            "mapping from names of the pool to chat models"
        )
    for name, model in models.items():
        if not isinstance(model, BaseChatModel | Lazy):
            raise TypeError(
                f"models[{name!r}] is of type {type(model).__name__}; give a chat model itself, "
                "not a binding of one: what is bound to the router is bound to each model"
            )
    return dict(models)


ModelsField = Annotated[Any, BeforeValidator(_checked_models), ByPoolName]
"""Chat models by name; each is there already, or builds itself when it is needed."""


def lazy_clients(pool: ModelPool) -> dict[str, Lazy[BaseChatModel]]:
    """A client for each enabled model of the pool, built when it is first needed.

    Raises:
        MissingExtraError: langchain is not installed.
        PoolError: A model has no provider, or a parameter that is no client's; all are named.
    """
    if importlib.util.find_spec("langchain") is None:
        raise MissingExtraError("building clients from a pool.yaml", extra="agents")
    problems = [problem for spec in pool.enabled for problem in _problems(spec)]
    if problems:
        raise PoolError(problems)
    return {spec.name: _lazy(spec) for spec in pool.enabled}


def _lazy(spec: ModelSpec) -> Lazy[BaseChatModel]:
    return Lazy(lambda: build_client(spec))


def _problems(spec: ModelSpec) -> Iterator[str]:
    if spec.provider is None:
        yield (
            f"models[{spec.name}].provider is not set; add one, such as `provider: openai`, or "
            "pass ready-made models: models={name: model}"
        )
    for name in _NOT_PARAMS:
        if name in spec.params:
            yield (
                f"models[{spec.name}].params.{name} is no parameter of a client; leave it out, "
                "and name the provider under `provider`"
            )


def build_client(spec: ModelSpec) -> BaseChatModel:
    """Build the chat model of a pool's model.

    Tracers are shown what a client was built with; secrets are replaced there.

    Args:
        spec: The model; its `provider` is a name that `init_chat_model` knows.

    Returns:
        The chat model.

    Raises:
        PoolError: A variable is not set, the provider is unknown, its package is not installed,
            or a parameter is wrong. The message holds no secret, and no cause that may.
    """
    settings = client_settings(spec, os.environ)
    made = _made(settings)
    if isinstance(made, BaseChatModel):
        problem = _ignored(made, settings)
        if problem is None:
            return _veiled(made, settings)
    else:
        problem = made
    raise PoolError(
        f"models[{spec.name}]: the client of provider {settings.provider!r} cannot be built: "
        f"{settings.hide(problem)}; mend the pool, or pass a ready-made model: "
        f"models={{{spec.name!r}: model}}"
    )


def _made(settings: ClientSettings) -> BaseChatModel | str:
    """The chat model, or why there is none: an error's cause and context may quote a key."""
    from langchain.chat_models import init_chat_model

    arguments: dict[str, Any] = dict(settings.params)
    if settings.api_key is not None:
        arguments["api_key"] = SecretStr(settings.api_key)
    if settings.base_url is not None:
        arguments["base_url"] = settings.base_url
    try:
        model: BaseChatModel = init_chat_model(
            settings.model, model_provider=settings.provider, **arguments
        )
    except _REFUSALS as error:
        return refusal_of(error)
    return model


def _ignored(model: BaseChatModel, settings: ClientSettings) -> str | None:
    """What is wrong where the client silently drops the key or the address."""
    fields = type(model).model_fields
    taken = {*fields, *(field.alias for field in fields.values())}
    stated = {"api_key": settings.api_key, "base_url": settings.base_url}
    lost = [name for name, value in stated.items() if value is not None and name not in taken]
    if not lost:
        return None
    return (
        f"{type(model).__name__} takes no {' and no '.join(lost)}; leave it out, and state under "
        "`params` what it takes instead"
    )


def _veiled(model: BaseChatModel, settings: ClientSettings) -> BaseChatModel:
    """The model, with its secrets hidden from its `repr` and from what tracers are shown.

    LangChain hides keys there, but neither headers nor what else a client was built with.
    """
    if not settings.secrets:
        return model
    params, fields = model._get_invocation_params, model.__repr_args__
    vars(model).update(  # on this one object; its class may serve others
        _serialized=settings.hide(model._serialized),
        _get_invocation_params=lambda *args, **kwargs: settings.hide(params(*args, **kwargs)),
        __repr_args__=lambda: settings.hide(list(fields())),
    )
    return model
