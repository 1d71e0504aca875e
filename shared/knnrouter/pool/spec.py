"""One model of a pool, and the settings of the router that chooses among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictStr, model_validator

from knnrouter.pool.fields import PoolModel, PriceField, PriceKeys
from knnrouter.pool.variables import VARIABLE_NAME
from knnrouter.yaml_files import FileModel, Name, Names, Words, is_name

__all__ = ["KNOWN_CAPABILITIES", "ModelSpec", "RouterSettings"]

KNOWN_CAPABILITIES = (
    "tools",
    "structured_output",
    "vision",
    "audio",
    "pdf",
    "json_mode",
    "streaming",
    "reasoning",
)
"""Capabilities that adapters and `read_query` ask for; a pool may name others of its own."""


def _either_name(schema: dict[str, Any]) -> None:
    for key in ("name", "model"):
        del schema["properties"][key]["default"]
    schema["anyOf"] = [{"required": ["name"]}, {"required": ["model"]}]


class ModelSpec(PoolModel, frozen=True, json_schema_extra=_either_name):
    """One model of the pool.

    Raises:
        PoolError: A field is wrong; the message names all that are.

    Example:
        >>> from knnrouter.records import Price
        >>> small = ModelSpec(name="small", price=Price(0.25, 2.0), capabilities=["tools"])
        >>> small.model, small.price.output, small.enabled
        ('small', 2.0, True)
    """

    nested: ClassVar[dict[str, type[FileModel]]] = {"price": PriceKeys}
    words: ClassVar[Words] = Words(
        wanted={
            "api_key_env": "the name of an environment variable is wanted, such as OPENAI_API_KEY, "
            "not the key itself",
        },
        unknown={
            "api_key": "a key has no place here; write `api_key_env` with the name of an "
            "environment variable that holds it, such as OPENAI_API_KEY",
            "cost": "write `price: {input: ..., output: ...}` in USD per million tokens",
        },
        empty={"name": "give the model a name, or a model, which is then its name, too"},
        hidden=("api_key_env",),
    )

    name: Name = Field(default="", validate_default=True)
    """The name in decisions, traces and selectors; unique. Where it is left out, `model` is it."""
    provider: Name | None = None
    """Who serves it, in LangChain's words: "openai", "anthropic", "ollama" and so on."""
    model: Name = ""
    """The provider's own id of it; where it is left out, `name` is it."""
    aliases: Names = ()
    """Names that benchmark files use for it."""
    price: PriceField | None = None
    """USD per million tokens. A model without a price is not free: its cost is unknown."""
    expected_output_tokens: Annotated[int, Field(strict=True, ge=0)] | None = None
    """Output tokens of a usual answer, for costs where the evidence holds none."""
    context_window: Annotated[int, Field(strict=True, gt=0)] | None = None
    """Tokens that prompt and answer may have together; None (unknown) leaves it out of nothing."""
    max_output_tokens: Annotated[int, Field(strict=True, gt=0)] | None = None
    """Tokens that an answer may have; None where unknown."""
    capabilities: Names = ()
    """What it can do, such as "tools", "vision", "structured_output". Not listed is not had."""
    params: dict[StrictStr, Any] = Field(default_factory=dict, repr=False)
    """Arguments for the client, such as `temperature`. Text may hold `${VAR}`."""
    api_key_env: Annotated[StrictStr, Field(pattern=f"^{VARIABLE_NAME}$")] | None = None
    """The name of the environment variable with the key, which is read when a client is built."""
    base_url: Name | None = Field(default=None, repr=False)
    """Where the client connects to. May hold `${VAR}` and `${VAR:-default}`."""
    tags: Names = ()
    """Labels of your own, to route by: "eu", "cheap" and so on."""
    enabled: StrictBool = True
    """Whether it may be chosen."""

    @model_validator(mode="before")
    @classmethod
    def _name_or_model(cls, values: object) -> object:
        if isinstance(values, Mapping):
            filled = dict(values)
            for here, there in (("name", "model"), ("model", "name")):
                if filled.get(here) is None and is_name(filled.get(there)):
                    filled[here] = filled[there]
            return filled
        return values


def _checked_policy(policy: object) -> object:
    if isinstance(policy, Mapping) and not isinstance(policy.get("kind"), str):
        raise ValueError("a policy has a `kind`, such as {kind: score_minus_cost, cost_weight: 20}")
    return policy


def _checked_estimator(estimator: object) -> object:
    if isinstance(estimator, Mapping) and not isinstance(estimator.get("kind"), str):
        raise ValueError("an estimator has a `kind`, such as {kind: knn, k: 40}")
    return estimator


class RouterSettings(PoolModel, frozen=True):
    """The `router:` part of a pool: how to choose among the models.

    Raises:
        PoolError: A field is wrong; the message names all that are.

    Example:
        >>> RouterSettings(policy="score_minus_cost:cost_weight=20").sticky
        'turn'
    """

    words: ClassVar[Words] = Words(
        wanted={
            "fallbacks": "auto or a list of names is wanted",
            "policy": "text such as score_minus_cost:cost_weight=20, or a mapping with a kind, is "
            "wanted",
            "estimator": "text such as knn:k=40, or a mapping with a kind, is wanted",
            "sticky": "call, turn or thread is wanted",
        }
    )

    index: Name | None = None
    """The saved router's folder; relative to the folder of the pool's file."""
    policy: Annotated[Name | dict[StrictStr, Any], AfterValidator(_checked_policy)] | None = None
    """How to choose: {kind: ..., settings} or "kind:setting=value"; kept as it is written."""
    estimator: Annotated[Name | dict[StrictStr, Any], AfterValidator(_checked_estimator)] | None = (
        None
    )
    """What to expect of each model: {kind: ..., settings} or "kind:setting=value". It is asked when
    a router is built; a saved one of another estimator is refused."""
    default: Name | None = None
    """The model that answers when routing cannot."""
    fallbacks: Literal["auto"] | Names = "auto"
    """Who answers when the chosen model fails: "auto" is the next-ranked, else these names."""
    min_similarity: Annotated[float, Field(strict=True, ge=-1, le=1)] | None = None
    """Cosine similarity of the nearest evidence below which the default answers."""
    sticky: Literal["call", "turn", "thread"] = "turn"
    """How long a choice holds: for one call, one user turn, or the whole thread."""
