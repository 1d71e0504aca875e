"""What a client of a pool's model is built with: expanded settings, and the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knnrouter.errors import PoolError
from knnrouter.pool import ModelSpec
from knnrouter.pool.secrets import expand_env

__all__ = ["ClientSettings", "client_settings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSettings:
    """The settings of one client. They may hold secrets, so none stands in the `repr`."""

    name: str
    """The model's name in the pool."""
    provider: str
    """Who serves it."""
    model: str
    """The provider's id of it."""
    params: Mapping[str, Any] = field(repr=False)
    """Arguments for the client, with environment variables put in."""
    api_key: str | None = field(repr=False)
    """The key; None where the pool names no variable for it, and the client finds its own."""
    base_url: str | None = field(repr=False)
    """Where to connect to; None for the provider's own address."""

    def hide(self, text: str) -> str:
        """A text with every value of these settings that may be a secret replaced.

        Example:
            >>> spec = ModelSpec(name="small", provider="openai", api_key_env="KEY")
            >>> client_settings(spec, {"KEY": "abcdef"}).hide("bad key abcdef")
            'bad key (hidden)'
        """
        secrets = [self.api_key or "", self.base_url or "", *_texts_in(self.params)]
        for secret in sorted(filter(_long_enough, secrets), key=len, reverse=True):
            text = text.replace(secret, "(hidden)")
        return text


def client_settings(spec: ModelSpec, environ: Mapping[str, str]) -> ClientSettings:
    """Read what a model's client is built with, just before it is built.

    Args:
        spec: The model.
        environ: The environment variables, such as `os.environ`.

    Returns:
        The settings.

    Raises:
        PoolError: The model has no provider, or a variable that it refers to is not set; all
            that is wrong is named, and no value.

    Example:
        >>> spec = ModelSpec(
        ...     name="small", provider="openai", model="gpt-5-mini", params={"timeout": 60},
        ...     base_url="${BASE:-https://example.invalid/v1}",
        ... )
        >>> settings = client_settings(spec, {})
        >>> settings.params, settings.base_url, settings.api_key
        ({'timeout': 60}, 'https://example.invalid/v1', None)
    """
    problems: list[str] = []
    if spec.provider is None:
        problems.append("no provider; add one, such as `provider: openai`")
    key = None
    if spec.api_key_env is not None:
        key = environ.get(spec.api_key_env)
        if not key:
            problems.append(
                f"the environment variable {spec.api_key_env} is not set; set it to the key"
            )
    params = _expanded(dict(spec.params), environ, problems)
    base_url = _expanded(spec.base_url, environ, problems)
    if problems:
        raise PoolError([f"models[{spec.name}]: {problem}" for problem in problems])
    return ClientSettings(
        name=spec.name,
        provider=spec.provider or "",
        model=spec.model,
        params=params,
        api_key=key,
        base_url=base_url,
    )


def _expanded(value: Any, environ: Mapping[str, str], problems: list[str]) -> Any:  # noqa: ANN401
    """The value with the variables in all its texts put in; what is wrong goes to `problems`."""
    if isinstance(value, str):
        try:
            return expand_env(value, environ)
        except PoolError as error:
            problems.extend(error.problems)
            return value
    if isinstance(value, Mapping):
        return {key: _expanded(item, environ, problems) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_expanded(item, environ, problems) for item in value]
    return value


def _texts_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts_in(item)]
    return []


def _long_enough(text: str) -> bool:
    return len(text) > 3  # shorter ones are words such as "low", and no secret
