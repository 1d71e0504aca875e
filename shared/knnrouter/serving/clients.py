"""What a client of a pool's model is built with: expanded settings, and the key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import ValidationError

from knnrouter.errors import PoolError
from knnrouter.pool import ModelSpec
from knnrouter.pool.variables import expand_env, variables_in
from knnrouter.yaml_files.secrets import looks_secret, names_secret

__all__ = ["ClientSettings", "client_settings", "refusal_of"]

_HIDDEN = "(hidden)"
_SHORTEST_SECRET = 4  # characters; shorter ones are settings such as "low", and no secret


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
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown: the key, what variables put into `params`, and all that looks like
    a key or stands under a name such as `authorization`."""

    def hide(self, value: Any) -> Any:  # noqa: ANN401 # as the value
        """A text, or plain data with texts in it, with every secret in it replaced.

        Example:
            >>> spec = ModelSpec(name="small", provider="openai", api_key_env="KEY")
            >>> settings = client_settings(spec, {"KEY": "abcdef"})
            >>> settings.hide("bad key abcdef"), settings.hide({"headers": ["Bearer abcdef"]})
            ('bad key (hidden)', {'headers': ['Bearer (hidden)']})
        """
        if isinstance(value, str):
            for secret in sorted(self.secrets, key=len, reverse=True):
                value = value.replace(secret, _HIDDEN)
            return value
        if isinstance(value, Mapping):
            return {key: self.hide(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            hidden = [self.hide(item) for item in value]
            return hidden if isinstance(value, list) else tuple(hidden)
        return value

    def hiding(self, values: Mapping[str, Any]) -> Self:
        """The settings, which hide also what looks secret in what a client shows of itself.

        A client may have read its key from a variable of its provider.

        Example:
            >>> settings = client_settings(ModelSpec(name="small", provider="openai"), {})
            >>> settings.hiding({"api_key": "abcdef"}).hide({"api_key": "abcdef", "seed": 7})
            {'api_key': '(hidden)', 'seed': 7}
        """
        return replace(self, secrets=_worth_hiding({*self.secrets, *_secrets_in(values)}))


def refusal_of(error: Exception) -> str:
    """Why a client could not be built, without the values that pydantic quotes.

    Example:
        >>> refusal_of(LookupError("no such region."))
        'no such region'
    """
    if isinstance(error, ValidationError):
        listed = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in listed)
    return str(error).rstrip(".")


def client_settings(spec: ModelSpec, environ: Mapping[str, str]) -> ClientSettings:
    """Read what a model's client is built with, just before it is built.

    Args:
        spec: The model.
        environ: The environment variables, such as `os.environ`.

    Returns:
        The settings.

    Raises:
        PoolError: The model has no provider, something is stated twice, or a variable that it
            refers to is not set or cannot be sent; all that is wrong is named, and no value.

    Example:
        >>> spec = ModelSpec(
        ...     name="small", provider="openai", model="gpt-5-mini", params={"timeout": 60},
        ...     base_url="${BASE:-https://example.invalid/v1}",
        ... )
        >>> settings = client_settings(spec, {})
        >>> settings.params, settings.base_url, settings.api_key
        ({'timeout': 60}, 'https://example.invalid/v1', None)
    """
    problems = list(_problems(spec, environ))
    key = environ.get(spec.api_key_env) if spec.api_key_env else None
    params = _expanded(spec.params, environ, problems)
    base_url = _expanded(spec.base_url, environ, problems)
    if problems:
        raise PoolError([f"models[{spec.name}]: {problem}" for problem in problems])
    variables = {name for text, _ in _texts_in(spec.params) for name in variables_in(text)}
    secrets = {
        key or "",
        *(environ.get(name, "") for name in variables),
        *_secrets_in({**params, "base_url": base_url or ""}),
    }
    return ClientSettings(
        name=spec.name,
        provider=spec.provider or "",
        model=spec.model,
        params=params,
        api_key=key,
        base_url=base_url,
        secrets=_worth_hiding(secrets),
    )


def _secrets_in(values: Mapping[str, Any]) -> Iterator[str]:
    """The texts in plain data that look like a key, or stand under a name of one."""
    for text, under in _texts_in(values):
        if names_secret(under) or looks_secret(text):
            yield text


def _worth_hiding(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(text for text in secrets if len(text) >= _SHORTEST_SECRET))


def _problems(spec: ModelSpec, environ: Mapping[str, str]) -> Iterator[str]:
    """What is wrong, apart from variables that are not set within texts."""
    if spec.provider is None:
        yield "no provider; add one, such as `provider: openai`"
    if spec.api_key_env is not None and not environ.get(spec.api_key_env):
        yield f"the environment variable {spec.api_key_env} is not set; set it to the key"
    stated = {"model": "model", "api_key": spec.api_key_env, "base_url": spec.base_url}
    for name in sorted(name for name, value in stated.items() if value and name in spec.params):
        field = "api_key_env" if name == "api_key" else name
        yield f"params.{name} says again what `{field}` says; leave it out of params"
    texts = [f"${{{spec.api_key_env}}}"] if spec.api_key_env else []
    texts += [spec.base_url or "", *(text for text, _ in _texts_in(spec.params))]
    for name in sorted({name for text in texts for name in variables_in(text)}):
        value = environ.get(name, "")
        if value != value.strip() or not value.isprintable():  # else errors of HTTP quote it
            yield (
                f"the environment variable {name} begins or ends with white space, or holds a "
                "line break; set it to the bare value"
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


def _texts_in(value: object, under: str = "") -> Iterator[tuple[str, str]]:
    """The texts in plain data, each with the key that it stands under."""
    if isinstance(value, str):
        yield value, under
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts_in(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_in(item, under)
