"""A decision: the model for one query, and everything that speaks for it."""

from __future__ import annotations

import html
import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, replace
from functools import cached_property, partial
from typing import Any

from pydantic.json_schema import SkipJsonSchema

__all__ = ["Decision", "Neighbor", "as_json"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbor:
    """A benchmark query near the routed one.

    Example:
        >>> Neighbor(id="q7", task="math", similarity=0.8, scores={"small": 1.0}).task
        'math'
    """

    id: str
    """The row's id in the records."""

    task: str | None
    """The row's task; None where unknown."""

    similarity: float
    """Cosine similarity in [-1, 1]."""

    scores: Mapping[str, float]
    """Measured quality in [0, 1] by model; NaN where not measured."""


def _no_neighbors() -> tuple[Neighbor, ...]:
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """Which model answers a query, and why. Mappings are by model name; NaN is "not known".

    Example:
        >>> decision = Decision(
        ...     id="d1", model="small", ranking=("small", "large"),
        ...     scores={"small": 0.7, "large": 0.6}, costs={"small": 0.001, "large": float("nan")},
        ...     stderr={"small": 0.05, "large": 0.04}, support={"small": 20.0, "large": 20.0},
        ...     similarity=0.8, reason="best expected score", reason_code="best_score",
        ...     policy="best_score",
        ... )
        >>> print(decision)
        small: best expected score [score 0.700 ± 0.050, $0.001000, nearest 0.80]
        >>> decision.to_dict()["costs"]
        {'small': 0.001, 'large': None}
    """

    id: str
    """Names this decision, in logs and traces; never the same twice."""

    model: str
    """The chosen model's name in the pool."""

    ranking: tuple[str, ...]
    """The eligible models, best first; the chosen one leads."""

    scores: Mapping[str, float]
    """Expected quality in [0, 1]."""

    costs: Mapping[str, float]
    """Expected USD for this query."""

    stderr: Mapping[str, float]
    """Standard error of `scores`."""

    support: Mapping[str, float]
    """Effective number of measurements behind `scores`."""

    similarity: float
    """Cosine similarity of the nearest neighbor; NaN where none was looked for."""

    reason: str
    """Why this model, in words."""

    reason_code: str
    """Why, as a fixed name: see the reference of decisions."""

    policy: str
    """The policy that chose, as it is written on the command line."""

    fallback: bool = False
    """Whether the policy could not choose as it is meant to, and a default answers."""

    elapsed_ms: float = math.nan
    """Milliseconds the decision took; in a batch, the batch's time over its size."""

    notes: tuple[str, ...] = ()
    """What was left out of the query before it was routed, a sentence each."""

    nearby: InitVar[SkipJsonSchema[Callable[[], tuple[Neighbor, ...]] | None]] = None
    """Makes `neighbors` when they are first asked for. No field: whoever writes the fields of a
    decision down, as tracers and checkpoints do, must not write the evidence with them."""

    def __post_init__(self, nearby: Callable[[], tuple[Neighbor, ...]] | None) -> None:
        self.__dict__["_nearby"] = nearby or _no_neighbors

    @cached_property
    def neighbors(self) -> tuple[Neighbor, ...]:
        """The benchmark queries near it, nearest first; none in a copy made of the fields."""
        found: tuple[Neighbor, ...] = self.__dict__["_nearby"]()
        return found

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON takes it: NaN is None, tuples are lists."""
        names = (
            *("id", "model", "ranking", "scores", "costs", "stderr", "support", "neighbors"),
            *("similarity", "reason", "reason_code", "fallback", "policy", "elapsed_ms", "notes"),
        )
        return {name: as_json(getattr(self, name)) for name in names}

    def summary(self) -> dict[str, Any]:
        """`to_dict` without the neighbors, for logs and messages: small, and of no other's query.

        What routing notes of the query stays out too.
        """
        return {name: as_json(getattr(self, name)) for name in _SUMMARY}

    @classmethod
    def from_summary(cls, values: Mapping[str, Any]) -> Decision:
        """The decision of a `summary`; None is NaN again.

        Args:
            values: The summary, possibly with other keys beside it.

        Raises:
            ValueError: It is no summary; the message names every key that is missing or wrong.

        Example:
            >>> made = {"id": "d1", "model": "a", "ranking": ["a", "b"], "scores": {"a": None},
            ...     "costs": {}, "stderr": {}, "support": {}, "similarity": 0.5, "reason": "r",
            ...     "reason_code": "c", "fallback": False, "policy": "p", "elapsed_ms": 1.0}
            >>> Decision.from_summary(made).scores
            {'a': nan}
        """
        given = values if isinstance(values, Mapping) else {}
        made = {name: read(given.get(name, _MISSING)) for name, (read, _) in _SUMMARY.items()}
        wrong = [
            f"{name} is {reprlib.repr(given[name]) if name in given else 'missing'}, not {wanted}"
            for name, (_, wanted) in _SUMMARY.items()
            if made[name] is None
        ]
        if not wrong and made["ranking"][0] != made["model"]:
            wrong = [f"model is {made['model']!r}, not the first of ranking"]
        if wrong:
            raise ValueError(
                f"this is no summary of a decision: {'; '.join(wrong)}; give what "
                "Decision.summary() gave"
            )
        return cls(**made)

    def __str__(self) -> str:
        score, error = self.scores.get(self.model, math.nan), self.stderr.get(self.model, math.nan)
        facts = []
        if not math.isnan(score):
            facts.append(f"score {score:.3f}" + ("" if math.isnan(error) else f" ± {error:.3f}"))
        if not math.isnan(self.costs.get(self.model, math.nan)):
            facts.append(f"${self.costs[self.model]:.6f}")
        if not math.isnan(self.similarity):
            facts.append(f"nearest {self.similarity:.2f}")
        reason = " ".join(self.reason.split())  # on one line, whoever wrote it
        return f"{self.model}: {reason}" + (f" [{', '.join(facts)}]" if facts else "")

    def _repr_html_(self) -> str:
        """A table of the ranked models, for notebooks."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_cell(self.scores.get(name), '.3f')}</td>"
            f"<td>{_cell(self.stderr.get(name), '.3f')}</td>"
            f"<td>{_cell(self.costs.get(name), '.6f')}</td>"
            f"<td>{_cell(self.support.get(name), '.1f')}</td></tr>"
            for name in self.ranking
        )
        heads = "".join(
            f"<th>{head}</th>" for head in ("model", "score", "stderr", "cost, USD", "support")
        )
        return (
            f"<p><b>{html.escape(self.model)}</b>: {html.escape(self.reason)}</p>"
            f"<table><tr>{heads}</tr>{rows}</table>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies carry the neighbors themselves, not the evidence that they are read from."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return partial(Decision, **(values | {"nearby": _Made(self.neighbors)})), ()

    def with_model(self, model: str, *, reason: str, reason_code: str) -> Decision:
        """The same evidence, but another model answers: it leads the ranking, as a fallback."""
        rest = tuple(name for name in self.ranking if name != model)
        return replace(
            self,
            nearby=self.__dict__["_nearby"],
            model=model,
            ranking=(model, *rest),
            reason=reason,
            reason_code=reason_code,
            fallback=True,
        )


_MISSING = object()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> float | None:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isinstance(value, float) or abs(value) <= _LARGEST else None


def _numbers(value: object) -> dict[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    read = {name: _number(item) for name, item in value.items() if isinstance(name, str)}
    known = {name: number for name, number in read.items() if number is not None}
    return known if len(known) == len(value) else None


def _names(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple) or not value:
        return None
    return tuple(value) if all(isinstance(name, str) for name in value) else None


_LARGEST = 2**53  # whole numbers beyond it are no floats
_SUMMARY: Mapping[str, tuple[Callable[[object], Any], str]] = {
    **dict.fromkeys(("id", "model"), (_text, "a text")),
    "ranking": (_names, "a list of names"),
    **dict.fromkeys(("scores", "costs", "stderr", "support"), (_numbers, "a number for each name")),
    "similarity": (_number, "a number or None"),
    **dict.fromkeys(("reason", "reason_code"), (_text, "a text")),
    "fallback": (_truth, "true or false"),
    "policy": (_text, "a text"),
    "elapsed_ms": (_number, "a number or None"),
}
"""The keys of a summary in their order: how each is read (None where it is wrong), and as what."""


@dataclass(frozen=True, slots=True)
class _Made:
    """Neighbors that are already there, in the shape of `Decision.nearby`."""

    neighbors: tuple[Neighbor, ...]

    def __call__(self) -> tuple[Neighbor, ...]:
        return self.neighbors


def as_json(value: Any) -> Any:  # noqa: ANN401  # any value goes in, a plain one comes out
    """A value as JSON takes it: NaN and infinities are None, tuples lists, mappings dicts.

    Example:
        >>> as_json({"a": (1.0, float("nan"))})
        {'a': [1.0, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: as_json(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None or math.isnan(value) else format(value, form)
