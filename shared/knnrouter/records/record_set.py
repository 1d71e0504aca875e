"""The evidence: what each model scored, cost and took on each benchmark query.

A `RecordSet` has a row for each query and a column for each model. Letters used for shapes:
`n` rows, `m` models, `d` dimensions of a vector. "Not measured" is NaN, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from knnrouter.errors import RecordsError
from knnrouter.records.faults import find_faults

if TYPE_CHECKING:
    from knnrouter.embedders.base import Embedder

__all__ = ["FloatMatrix", "FloatVector", "Preference", "Price", "RecordSet", "ScoreMatrix"]

ScoreMatrix: TypeAlias = NDArray[np.float32]
FloatMatrix: TypeAlias = NDArray[np.float64]
FloatVector: TypeAlias = NDArray[np.float64]

_OPTIONAL_MATRICES = ("input_tokens", "output_tokens", "latency_ms")


@dataclass(frozen=True)
class Price:
    """What a model costs, in USD per million tokens.

    Raises:
        RecordsError: If a price is negative or not finite.

    Example:
        >>> Price(0.25, 2.0).output
        2.0
    """

    input: float
    """USD per million input tokens, >= 0."""
    output: float
    """USD per million output tokens, >= 0."""
    cached_input: float | None = None
    """USD per million input tokens that the provider had cached, >= 0; None if not stated."""

    def __post_init__(self) -> None:
        stated = {"input": self.input, "output": self.output, "cached_input": self.cached_input}
        wrong = [
            f"price `{name}` is {value!r}; a price is a finite number of USD per million tokens, "
            ">= 0; correct it, or leave it out if it is not known"
            for name, value in stated.items()
            if value is not None and not 0 <= value < float("inf")
        ]
        if wrong:
            raise RecordsError(wrong)


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Which of two models answered a query better.

    Raises:
        RecordsError: If `winner` is neither of the two models.

    Example:
        >>> Preference(query="2 + 2?", model_a="small", model_b="large", winner=None).winner
    """

    query: str
    """The text that both models answered."""
    model_a: str
    """The name of one model."""
    model_b: str
    """The name of the other model."""
    winner: str | None
    """The name of the better one; None for a tie."""

    def __post_init__(self) -> None:
        if self.winner not in (None, self.model_a, self.model_b):
            raise RecordsError(
                f"winner {self.winner!r} is neither {self.model_a!r} nor {self.model_b!r}; "
                "name one of the two, or give None for a tie"
            )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RecordSet:
    """Benchmark outcomes of `m` models on `n` queries; frozen, arrays read-only.

    Everything is checked on construction, and all faults are reported at once.

    Raises:
        RecordsError: If shapes disagree, a score is outside [0, 1], a cost, token count or latency
            is negative or infinite, a weight is not above zero, ids or models repeat, there is no
            model, or not one score is measured.

    Example:
        >>> records = RecordSet(
        ...     ids=("q1", "q2"), models=("small", "large"),
        ...     scores=np.array([[0.0, 1.0], [1.0, np.nan]], np.float32),
        ... )
        >>> records
        RecordSet(2 rows, 2 models, 1 task)
        >>> records.weights.tolist(), bool(np.isnan(records.costs).all())
        ([1.0, 1.0], True)
    """

    ids: tuple[str, ...]
    """A name for each row; unique."""
    models: tuple[str, ...]
    """A name for each column; unique, at least one."""
    scores: ScoreMatrix
    """Quality in [0, 1]; shape (n, m); NaN where not measured."""
    queries: tuple[str | None, ...] = None  # type: ignore[assignment]  # filled on construction
    """The text of each row; None where it is not kept, which is the default."""
    tasks: tuple[str | None, ...] = None  # type: ignore[assignment]  # filled on construction
    """The task of each row; None where unknown, which is the default."""
    costs: FloatMatrix = None  # type: ignore[assignment]  # filled on construction
    """USD per query, >= 0; shape (n, m); NaN where not measured, which is the default."""
    weights: FloatVector = None  # type: ignore[assignment]  # filled on construction
    """How many measurements a row stands for, > 0; shape (n,); the default is ones."""
    input_tokens: FloatMatrix | None = None
    """Tokens of the prompt, >= 0; shape (n, m); NaN where not measured."""
    output_tokens: FloatMatrix | None = None
    """Tokens of the answer, >= 0; shape (n, m); NaN where not measured."""
    latency_ms: FloatMatrix | None = None
    """Milliseconds to the whole answer, >= 0; shape (n, m); NaN where not measured."""
    groups: tuple[str | None, ...] | None = None
    """Rows of one group belong together (one document, one user) and are never split apart."""
    timestamps: tuple[str | None, ...] | None = None
    """When each row was measured; ISO 8601, as given."""
    preferences: tuple[Preference, ...] = ()
    """Comparisons of two models, where the source holds them."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices that the source states, by model name."""
    vectors: NDArray[np.float32] | None = None
    """Unit rows, shape (n, d), where the text is not kept (see `condense`); else None."""
    embedder: str | None = None
    """The id of the embedder of `vectors`; None without vectors."""
    notes: tuple[str, ...] = ()
    """What the reader of these records should know, a sentence each."""

    def __post_init__(self) -> None:
        self._fill_defaults()
        self._freeze_sequences()
        self._freeze_arrays()
        faults = find_faults(self)
        if faults:
            raise RecordsError(faults)

    def _fill_defaults(self) -> None:
        rows = len(self.ids)
        if self.queries is None:
            _set(self, "queries", (None,) * rows)
        if self.tasks is None:
            _set(self, "tasks", (None,) * rows)
        if self.costs is None:
            _set(self, "costs", np.full((rows, len(self.models)), np.nan))
        if self.weights is None:
            _set(self, "weights", np.ones(rows))

    def _freeze_sequences(self) -> None:
        for name in ("ids", "models", "queries", "tasks", "groups", "timestamps", "preferences"):
            value = getattr(self, name)
            if value is not None:
                _set(self, name, tuple(value))
        _set(self, "notes", tuple(self.notes))
        _set(self, "prices", MappingProxyType(dict(self.prices)))

    def _freeze_arrays(self) -> None:
        types: dict[str, DTypeLike] = {"scores": np.float32, "vectors": np.float32}
        faults = []
        for name in ("scores", "costs", "weights", "vectors", *_OPTIONAL_MATRICES):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                _set(self, name, _read_only(value, types.get(name, np.float64)))
            except (TypeError, ValueError) as error:
                faults.append(f"{name}: {error}; give an array of numbers, NaN where not measured")
        if faults:
            raise RecordsError(faults)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        parts = (
            (len(self.ids), "row"),
            (len(self.models), "model"),
            (len(set(self.tasks)), "task"),
        )
        counts = ", ".join(f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in parts)
        return f"RecordSet({counts})"

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, object]],
        *,
        ignore: Sequence[str] = (),
        scale: tuple[float, float] | None = None,
        threshold: float | None = None,
    ) -> RecordSet:
        """Make records from wide or long rows.

        Wide rows have `query` and one number a model. Reserved names are `query, id, task, group,
        timestamp` and `<model>|cost`, `<model>|input_tokens`, `<model>|output_tokens`,
        `<model>|latency_ms`. Long rows have `query, model, score` and, where known, `id, task,
        group, timestamp, cost, input_tokens, output_tokens, latency_ms`; rows of one `id` (else of
        one task and query) become one record.

        Args:
            rows: Mappings from a column's name to its value. None, NaN and an absent key are "not
                measured"; a bool is 0/1.
            ignore: Columns to leave out.
            scale: `(low, high)` of the scores given; mapped onto [0, 1].
            threshold: Scores above it (strictly) become 1, the others 0.

        Raises:
            RecordsError: All faults of all rows and columns at once.

        Example:
            >>> rows = [{"query": "2 + 2?", "small": 4, "large": 5, "large|cost": 0.01}]
            >>> records = RecordSet.from_rows(rows, scale=(1, 5))
            >>> records.models, records.scores.tolist(), records.costs.tolist()
            (('small', 'large'), [[0.75, 1.0]], [[nan, 0.01]])
        """
        from knnrouter.ingest.table import records_from_rows

        return records_from_rows(rows, ignore=ignore, scale=scale, threshold=threshold)

    def select(self, rows: ArrayLike) -> RecordSet:
        """Take some rows, in the order asked for.

        Args:
            rows: Row numbers, shape (k,), or a mask of bools, shape (n,).

        Returns:
            A RecordSet of those rows and all models.

        Raises:
            RecordsError: If a row number is out of range, or one is asked for twice.

        Example:
            >>> records = RecordSet.from_rows([{"query": "a", "m": 0}, {"query": "b", "m": 1}])
            >>> records.select([1]).queries
            ('b',)
        """
        from knnrouter.records.sets import select

        return select(self, rows)

    @classmethod
    def concat(cls, parts: Sequence[RecordSet]) -> RecordSet:
        """Put record sets below one another; the models are the union of all models.

        Args:
            parts: At least one; row ids must differ between them.

        Returns:
            All rows; NaN where a part did not measure a model.

        Raises:
            RecordsError: If ids repeat, two parts state different prices for one model, or some
                parts hold text and others vectors of another embedder.

        Example:
            >>> one = RecordSet.from_rows([{"id": "1", "query": "a", "small": 1}])
            >>> two = RecordSet.from_rows([{"id": "2", "query": "b", "large": 0}])
            >>> RecordSet.concat([one, two]).scores.tolist()
            [[1.0, nan], [nan, 0.0]]
        """
        from knnrouter.records.sets import concat

        return concat(parts)

    def drop_duplicates(self) -> RecordSet:
        """Merge the rows with the same text into one.

        Scores, costs, tokens and latencies become weighted means of what was measured, weights are
        added up. Id, task, group and timestamp are those of the first such row. Rows without text
        stay as they are.

        Returns:
            Records in which no text occurs twice, in the order of first appearance.

        Example:
            >>> rows = [{"query": "a", "m": 0}, {"query": "b", "m": 1}, {"query": "a", "m": 1}]
            >>> merged = RecordSet.from_rows(rows).drop_duplicates()
            >>> merged.queries, merged.scores.tolist(), merged.weights.tolist()
            (('a', 'b'), [[0.5], [1.0]], [2.0, 1.0])
        """
        from knnrouter.records.sets import drop_duplicates

        return drop_duplicates(self)

    def condense(
        self, embedder: Embedder, *, rows: int = 1500, smallest: float = 1, seed: int = 0
    ) -> RecordSet:
        """Replace the rows by averages over clusters of similar queries, without any text.

        Weighted k-means runs within each task. Each center becomes a row: its vector, the weighted
        mean of what was measured (NaN if nothing was), and the sum of the weights.

        Args:
            embedder: Turns the queries into unit rows.
            rows: How many rows to keep in all; each task keeps at least one.
            smallest: The least weight of a row; lighter clusters join their neighbors, which leaves
                fewer rows. With 2, no row is a single outcome.
            seed: Seeds the k-means; the same seed gives the same records.

        Returns:
            About `rows` rows with `vectors`, and `queries` all None.

        Raises:
            RecordsError: If `rows` is below 1, or a row has no text to embed.
        """
        from knnrouter.condense import condense

        return condense(self, embedder, rows=rows, smallest=smallest, seed=seed)

    def to_parquet(self, path: str | Path) -> None:
        """Write all fields to one Parquet file; `from_parquet` gives them back exactly.

        Args:
            path: The file; replaced as a whole if it exists.
        """
        from knnrouter.records.parquet import write_parquet

        write_parquet(self, Path(path))

    @classmethod
    def from_parquet(cls, path: str | Path) -> RecordSet:
        """Read what `to_parquet` wrote.

        Args:
            path: The file.

        Raises:
            RecordsError: If there is no such file, or it is something else, or it is damaged.
        """
        from knnrouter.records.parquet import read_parquet

        return read_parquet(Path(path))

    def as_dict(self) -> dict[str, Any]:
        """Give the fields by name, as they are (arrays are not copied).

        Example:
            >>> records = RecordSet.from_rows([{"query": "a", "m": 1}])
            >>> RecordSet(**records.as_dict() | {"notes": ("checked",)}).notes
            ('checked',)
        """
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __reduce__(self) -> tuple[Callable[[], RecordSet], tuple[()]]:
        """Copies and other processes get it made anew, and so as frozen as this one."""
        return partial(RecordSet, **self.as_dict() | {"prices": dict(self.prices)}), ()


def _set(records: RecordSet, name: str, value: object) -> None:
    object.__setattr__(records, name, value)


def _read_only(values: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable and np.may_share_memory(array, np.asarray(values)):
        array = array.copy()  # the caller keeps the right to change its own array
    array.setflags(write=False)
    return array
