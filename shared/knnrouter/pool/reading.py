"""pool.yaml in and out: every problem of a file at once, each with its line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from knnrouter.errors import PoolError
from knnrouter.pool.model_pool import ModelPool
from knnrouter.pool.problems import Entry, pool_problems
from knnrouter.pool.spec import KNOWN_CAPABILITIES, ModelSpec, RouterSettings
from knnrouter.pool.variables import is_reference, malformed_reference
from knnrouter.yaml_files import (
    FileKind,
    FileModel,
    Place,
    Problem,
    did_you_mean,
    located,
    read_document,
    read_text,
    refused,
    worded,
)
from knnrouter.yaml_files.nodes import NUMBER, YamlDocument
from knnrouter.yaml_files.secrets import looks_secret, names_secret

__all__ = [
    "POOL_FILE",
    "PoolFindings",
    "read_pool_file",
    "read_pool_text",
    "validate_pool",
    "write_pool_text",
]

POOL_FILE = FileKind(
    noun="a pool",
    does="lists its models",
    file_name="pool.yaml",
    example="models: [{name: small}, {name: big}]",
    error=PoolError,
)
_EXPANDED = ("base_url", "params")


@dataclass(frozen=True, kw_only=True)
class PoolFindings:
    """What `validate_pool` found."""

    errors: tuple[str, ...] = ()
    """What makes the file unusable, a sentence each."""
    warnings: tuple[str, ...] = ()
    """What is allowed, and perhaps not meant; only looked for where there is no error."""
    pool: ModelPool | None = field(default=None, repr=False)
    """The pool, where there is no error."""


def validate_pool(path: str | Path) -> PoolFindings:
    """Check a pool.yaml without raising.

    Args:
        path: The file.

    Returns:
        Errors, or the pool with warnings: models without a price, a model alone, no default,
        capabilities that nothing asks for.
    """
    try:
        pool = read_pool_file(Path(path))
    except PoolError as error:
        return PoolFindings(errors=error.problems)
    return PoolFindings(pool=pool, warnings=tuple(f"{path}: {text}" for text in _warnings(pool)))


def read_pool_file(path: Path) -> ModelPool:
    """Read a pool.yaml; see `ModelPool.from_yaml`."""
    return read_pool_text(read_text(path, POOL_FILE), source=str(path)).at(path)


def read_pool_text(text: str, *, source: str) -> ModelPool:
    """Read a pool from YAML text; see `ModelPool.from_text`."""
    document = read_document(
        text, source=source, kind=POOL_FILE, keys=("version", "router", "models")
    )
    data = document.data
    problems = [
        *document.problems,
        *_shape_problems(data, document),
        *_secret_problems(data, ()),
        *_reference_problems(data, ()),
    ]
    if problems:
        raise PoolError(located(problems, document, source, _names(data)))
    return ModelPool.model_validate(data)


def write_pool_text(pool: ModelPool) -> str:
    """Write a pool as YAML; see `ModelPool.to_yaml`."""
    data: dict[str, Any] = {"version": pool.version}
    router = _without_defaults(pool.router)
    if router:
        data["router"] = router
    data["models"] = [_model_data(spec) for spec in pool.models]
    problems = [*_secret_problems(data, ())]
    if problems:
        raise PoolError([worded(problem) for problem in problems])
    try:
        text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    except yaml.representer.RepresenterError as error:
        raise PoolError(
            f"a {type(error.args[-1]).__name__} cannot be written to YAML; params and policy hold "
            "text, numbers, booleans, lists and mappings"
        ) from None
    return text


# Reading


def _shape_problems(data: Mapping[str, Any], document: YamlDocument) -> Iterator[Problem]:
    """What does not fit the fields, part by part: one wrong model does not hide the others."""
    models, router = data.get("models"), data.get("router")
    rest = {key: value for key, value in data.items() if key not in ("models", "router")}
    yield from refused(ModelPool, {**rest, "models": ({"name": "?"},)}, (), document)
    if "router" in data:
        yield from refused(RouterSettings, router, ("router",), document)
    if not isinstance(models, Sequence) or isinstance(models, str):
        message = "missing; list the models" if models is None else "a list of models is wanted"
        yield Problem(("models",), f"{message}, such as: {POOL_FILE.example}")
        return
    for number, model in enumerate(models):
        yield from refused(ModelSpec, model, ("models", number), document)
    settings = router if isinstance(router, Mapping) else {}
    default, fallbacks = settings.get("default"), settings.get("fallbacks")
    yield from pool_problems(
        [_entry(model) for model in models],
        default if isinstance(default, str) else None,
        [_text(name) for name in fallbacks] if isinstance(fallbacks, list) else (),
    )


def _text(value: object) -> str:
    """A value that is text; else none, for it is refused elsewhere."""
    return value if isinstance(value, str) else ""


def _entry(model: object) -> Entry:
    """What is known of a model that may be wrong elsewhere."""
    if not isinstance(model, Mapping):
        return Entry("")
    name, aliases, enabled = model.get("name"), model.get("aliases"), model.get("enabled")
    name = model.get("model") if name is None else name
    return Entry(
        _text(name),
        [alias for alias in aliases if isinstance(alias, str)] if isinstance(aliases, list) else (),
        enabled is not False,
    )


def _secret_problems(value: object, place: Place) -> Iterator[Problem]:
    """Literal secrets anywhere; a secret is never repeated."""
    key = next((step for step in reversed(place) if isinstance(step, str)), "")
    if isinstance(value, Mapping):
        for inner, held in value.items():
            yield from _secret_problems(held, (*place, inner))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, held in enumerate(value):
            yield from _secret_problems(held, (*place, number))
    elif isinstance(value, str) and looks_secret(value):
        yield Problem(
            place,
            "this looks like a secret, and a pool holds none; write `api_key_env: NAME` with the "
            "name of an environment variable, or ${NAME} within params and base_url",
        )
    elif value is not None and "params" in place and names_secret(key) and not _refers(value):
        yield Problem(
            place,
            f"{key} is a secret by its name, and a pool holds none; write ${{NAME}} with the name "
            "of an environment variable",
        )


def _refers(value: object) -> bool:
    return isinstance(value, str) and is_reference(value)


def _reference_problems(value: object, place: Place) -> Iterator[Problem]:
    """`${...}` where it is not expanded, or not well formed."""
    if isinstance(value, Mapping):
        for inner, held in value.items():
            yield from _reference_problems(held, (*place, inner))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, held in enumerate(value):
            yield from _reference_problems(held, (*place, number))
    elif isinstance(value, str) and "${" in value:
        if place[:1] != ("models",) or not set(_EXPANDED) & set(place[2:3]):
            yield Problem(place, "${...} is expanded in base_url and params alone; write the text")
        elif malformed_reference(value):
            yield Problem(
                place,
                "a malformed reference; allowed are ${NAME} and ${NAME:-default}; write $${ for a "
                "literal ${",
            )


def _names(data: Mapping[str, Any]) -> dict[Place, str]:
    """What the models are called, by their places."""
    models = data.get("models")
    named = enumerate(map(_entry, models if isinstance(models, list) else ()))
    return {("models", number): entry.name for number, entry in named if entry.name}


# Warnings


def _warnings(pool: ModelPool) -> Iterator[str]:
    unpriced = [spec.name for spec in pool.enabled if spec.price is None]
    if unpriced:
        yield (
            f"{len(unpriced)} model(s) without a price: {', '.join(unpriced)}; a policy that "
            "weighs costs needs the price, or costs in the evidence"
        )
    if len(pool.enabled) < 2:
        yield f"{len(pool.enabled)} model(s) enabled: there is nothing to choose between"
    if pool.router.default is None:
        yield "router.default is not set: a query that cannot be routed is an error"
    for spec in pool.models:
        for name in spec.capabilities:
            hint = did_you_mean(name, KNOWN_CAPABILITIES)
            if name not in KNOWN_CAPABILITIES and hint:
                yield f"models[{spec.name}].capabilities: {name} is a word of your own{hint}"


# Writing


class _Dumper(yaml.SafeDumper):
    """Quotes text that `read_yaml` would take for a number, and writes tuples as lists."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text_node)
_Dumper.add_representer(tuple, yaml.SafeDumper.represent_list)


def _without_defaults(value: FileModel) -> dict[str, Any]:
    fields = type(value).model_fields
    return {
        name: given
        for name, given in ((name, getattr(value, name)) for name in fields)
        if given != fields[name].get_default(call_default_factory=True)
    }


def _model_data(spec: ModelSpec) -> dict[str, Any]:
    data = _without_defaults(spec)
    if spec.model == spec.name:
        del data["model"]
    if spec.price is not None:
        data["price"] = {key: usd for key, usd in vars(spec.price).items() if usd is not None}
    return data
