"""Pairwise preferences, as of Chatbot Arena: two models answered, and somebody said which better.

Each comparison becomes a row: the winner scores 1, the other 0, a tie 0.5 for both, and the models
that were not there are not measured. The text is the first turn of the conversation, which is what
a router sees when it chooses.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .cells import CellError, Scoring, as_model, as_name, as_number
from .files import FileRow
from .ignoring import ignore_faults
from .rows import Cell, Evidence, ReadOptions, Row, build
from .sources import Format, Source
from .wording import counted, shown

__all__ = ["PREFERENCES"]

_TEXTS = ("query", "prompt", "conversation_a")
"""Where the text stands, the first of them that there is."""
_SIDES = ("model_a", "model_b")
_FLAGS = ("winner_model_a", "winner_model_b", "winner_tie")
"""One of them is 1, in the files that have no column `winner`."""
_IDS = ("id", "question_id")
_TIE, _BOTH_BAD = "tie", ("tie (bothbad)", "bothbad", "both_bad")


def _matches(source: Source) -> bool:
    return not _missing(source.table.columns)


def _missing(columns: Sequence[str]) -> list[str]:
    """What the columns lack to be preferences."""
    missing = [f"`{side}`" for side in _SIDES if side not in columns]
    if "winner" not in columns and not set(_FLAGS) <= set(columns):
        missing.append("`winner`")
    if not set(_TEXTS) & set(columns):
        missing.append("`query` or `prompt`")
    return missing


def _read(source: Source, options: ReadOptions) -> RecordSet:
    table = source.table
    if missing := _missing(table.columns):
        raise RecordsError(
            f"{source.path}: there is no column {', '.join(missing)}; the columns are "
            f"{', '.join(table.columns)}: preferences have `query` or `prompt`, `model_a`, "
            "`model_b` and `winner`"
        )
    compared = [_comparison(row, source.path.stem) for row in table.rows]
    kept = [row for row, models in compared if not models & options.ignore]
    evidence = Evidence(
        source=str(source.path),
        rows=kept,
        models=tuple(sorted({cell.model for row in kept for cell in row.cells if cell.model})),
        faults=tuple(_faults(source, options, [models for _, models in compared])),
        notes=tuple(_notes(table.rows, left_out=len(compared) - len(kept))),
    )
    return build(evidence, replace(options, scoring=Scoring()))


def _faults(
    source: Source, options: ReadOptions, compared: Sequence[frozenset[str]]
) -> Iterator[str]:
    given = {"scale": options.scoring.scale, "threshold": options.scoring.threshold}
    for name, value in given.items():
        if value is not None:
            yield (
                f"{source.path}: {name}={value} is given, and preferences have no scores to map, "
                "only winners; leave it out"
            )
    known = sorted({model for models in compared for model in models})
    yield from ignore_faults(str(source.path), options.ignore, known, what="model")


def _notes(rows: Sequence[FileRow], *, left_out: int) -> Iterator[str]:
    yield "a row is a comparison: the winner scores 1, the other 0, a tie 0.5 for both"
    said = Counter(str(row.values.get("winner")).strip().lower() for row in rows)
    bad = sum(said[word] for word in _BOTH_BAD)
    if bad:
        yield f"{counted(bad, 'tie')} in which both answers were called bad, read as ties"
    if left_out:
        yield f"{counted(left_out, 'comparison')} with a model in `ignore`, left out"


def _comparison(row: FileRow, stem: str) -> tuple[Row, frozenset[str]]:
    """The row of a comparison, and its two models where they can be read."""
    default_id = f"{stem}-{row.number}"
    if row.problem:
        return Row(row.place, default_id, {}, row.problem), frozenset()
    problems = []
    values: dict[str, object] = {}
    for what, read in (("models", _models), ("text", _text), ("outcomes", _outcomes), ("id", _id)):
        try:
            values[what] = read(row.values)
        except CellError as error:
            problems.append(str(error))
    models = values.get("models")
    names = models if isinstance(models, tuple) else ()
    if problems:
        return Row(row.place, default_id, {}, "; ".join(problems)), frozenset(names)
    outcomes = values["outcomes"]
    assert isinstance(outcomes, tuple)  # else there was a problem
    cells: dict[Cell, object] = {Cell("query"): values["text"], Cell("id"): values["id"]}
    cells |= {Cell("score", name): score for name, score in zip(names, outcomes, strict=True)}
    return Row(row.place, default_id, cells), frozenset(names)


def _models(values: Mapping[str, object]) -> tuple[str, str]:
    names = []
    for side in _SIDES:
        try:
            name = as_model(values.get(side))
        except CellError as error:
            raise CellError(f"{side}: {error}") from error
        if name is None:
            raise CellError(f"{side}: it is absent or empty; name the two models that answered")
        names.append(name)
    one, other = names
    if one == other:
        raise CellError(
            f"model_a and model_b are both {shown(one)}; a model cannot be compared with itself: "
            "name two models, or leave the row out"
        )
    return one, other


def _outcomes(values: Mapping[str, object]) -> tuple[float, float]:
    """What the two models score."""
    said = _winner_by_flags(values) if "winner" not in values else values["winner"]
    word = said.strip() if isinstance(said, str) else said
    if word in ("model_a", values.get("model_a")):
        return 1.0, 0.0
    if word in ("model_b", values.get("model_b")):
        return 0.0, 1.0
    if isinstance(word, str) and word.lower() in (_TIE, *_BOTH_BAD):
        return 0.5, 0.5
    raise CellError(
        f"winner: {shown(said)} is neither of the two models; give model_a, model_b or tie, or the "
        "name of the model"
    )


def _winner_by_flags(values: Mapping[str, object]) -> str:
    flags = [as_number(values.get(name)) for name in _FLAGS]
    if sorted(flag if flag is not None else -1.0 for flag in flags) != [0.0, 0.0, 1.0]:
        given = ", ".join(f"{name} {shown(values.get(name))}" for name in _FLAGS)
        raise CellError(f"winner: {given}; just one of the three is 1, the others 0")
    return ("model_a", "model_b", _TIE)[flags.index(1.0)]


def _id(values: Mapping[str, object]) -> str | None:
    for name in _IDS:
        if name in values:
            try:
                return as_name(values[name])
            except CellError as error:
                raise CellError(f"{name}: {error}") from error
    return None


def _text(values: Mapping[str, object]) -> object:
    """The first turn, where the text is a list of turns, as such or as JSON; else all of it."""
    stated: object = next((values[name] for name in _TEXTS if name in values), None)
    turns: object = stated
    if isinstance(stated, str) and stated.lstrip().startswith("["):
        try:
            turns = json.loads(stated)
        except (ValueError, RecursionError):
            return stated
    if not isinstance(turns, list | tuple):
        return stated
    asked = [turn for turn in map(_of_user, turns) if turn]
    if not asked:
        if isinstance(stated, str):
            return stated  # a text that only looks like a list of turns
        raise CellError(
            f"{shown(stated)} has no turn of a user; give the text that both models answered"
        )
    return asked[0]


def _of_user(turn: object) -> str:
    """What a user says in a turn; "" where it is another's, or no text."""
    if isinstance(turn, Mapping):
        turn = turn.get("content") if turn.get("role") in ("user", "human") else None
    return turn if isinstance(turn, str) and turn.strip() else ""


PREFERENCES = Format(
    name="preferences",
    looks_like="comparisons of two models, with columns `model_a`, `model_b` and `winner`",
    fields=(
        "query, prompt or conversation_a (a text, or a list of turns, of which the first is "
        "taken); model_a; model_b; winner: model_a, model_b, tie, tie (bothbad), or a model's "
        "name, or instead winner_model_a, winner_model_b, winner_tie with one 1 and two 0; "
        "optional id or question_id; others are left out"
    ),
    kinds=("JSONL", "CSV", "Parquet", "JSON"),
    matches=_matches,
    read=_read,
)
