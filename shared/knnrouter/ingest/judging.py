"""One row of MT-Bench to a question, or to a judge's score of one answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from .cells import CellError, Scoring, as_model, as_name, as_number, as_query, is_truth
from .files import FileRow
from .wording import counted, shown

__all__ = ["Judgement", "Question", "read_judgement", "read_question"]

_Readers: TypeAlias = Mapping[str, Callable[[object], Any]]

_FAILED = -1.0


class Question(NamedTuple):
    """A question, and what its user says in the turns after it."""

    place: str
    """Where it stands, for messages."""
    id: str
    """Its `question_id`."""
    category: str | None
    """What it is about; None if that is not said."""
    turns: tuple[str, ...]
    """What the user says, at least once."""
    problem: str = ""
    """Why it cannot be used."""


class Judgement(NamedTuple):
    """A judge's score of a model's answer to one turn."""

    place: str
    """Where it stands, for messages."""
    question: str
    """The id of the question."""
    model: str
    """Who answered."""
    turn: int
    """Which turn, from 1."""
    judge: str | None
    """Who judged; None if that is not said."""
    score: float
    """As the file has it; NaN if the judge failed."""
    problem: str = ""
    """Why it cannot be used."""


def read_question(row: FileRow) -> Question:
    """Read a question; one that cannot be used has a `problem`, and its id if that can be read.

    Example:
        >>> read_question(FileRow("q:1", 1, {"question_id": 81, "turns": ["Hello."]})).turns
        ('Hello.',)
        >>> read_question(FileRow("q:2", 2, {"question_id": 82, "turns": "Hello."})).problem
        "turns: 'Hello.' is not a list of texts; give [first turn, second turn, …]"
    """
    readers: _Readers = {"question_id": _as_stated, "category": as_name, "turns": _as_turns}
    values, problem = _read(row, readers)
    return Question(
        place=row.place,
        id=values.get("question_id", ""),
        category=values.get("category"),
        turns=values.get("turns", ()),
        problem=problem,
    )


def read_judgement(row: FileRow, turns: Mapping[str, int], scoring: Scoring) -> Judgement:
    """Read a judgement; one that cannot be used has a `problem`.

    Args:
        row: A row of a file of judgements.
        turns: How many turns each question has; 0 if that could not be read.
        scoring: What scores are allowed.

    Example:
        >>> values = {"question_id": 81, "model": "small", "turn": 1, "score": -1}
        >>> read_judgement(FileRow("j:1", 1, values), {"81": 2}, Scoring(scale=(1, 10))).score
        nan
    """
    readers: _Readers = {
        "question_id": _as_stated,
        "model": _as_stated_model,
        "turn": _as_turn,
        "judge": _as_judge,
        "score": lambda value: _as_score(value, scoring),
    }
    values, problem = _read(row, readers)
    judgement = Judgement(
        place=row.place,
        question=values.get("question_id", ""),
        model=values.get("model", ""),
        turn=values.get("turn", 0),
        judge=values.get("judge"),
        score=values.get("score", math.nan),
        problem=problem,
    )
    return judgement._replace(problem=problem or _unasked(judgement, turns))


def _read(row: FileRow, readers: _Readers) -> tuple[dict[str, Any], str]:
    """Read the values of a row that can be read, and say what is wrong with the others."""
    if row.problem:
        return {}, row.problem
    values = {}
    problems = []
    for name, read in readers.items():
        try:
            values[name] = read(row.values.get(name))
        except CellError as error:
            problems.append(f"{name}: {error}")
    return values, ". ".join(problems)


def _unasked(judgement: Judgement, turns: Mapping[str, int]) -> str:
    asked = turns.get(judgement.question)
    if asked is None:
        return (
            f"question_id: no question has the id {judgement.question!r}; name the judgements and "
            "the questions of one benchmark, or leave the judgement out"
        )
    if asked and judgement.turn > asked:
        return (
            f"turn: {judgement.turn} is judged, but question {judgement.question!r} has "
            f"{counted(asked, 'turn')}; name the judgements and the questions of one benchmark, or "
            "leave the judgement out"
        )
    return ""


def _as_stated(value: object) -> str:
    name = as_name(value)
    if name is None:
        raise CellError("it is absent or empty; give each question an id, and name it here")
    return name


def _as_stated_model(value: object) -> str:
    model = as_model(value)
    if model is None:
        raise CellError("it is absent or empty; every judgement names one model")
    return model


def _as_turns(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise CellError(f"{shown(value)} is not a list of texts; give [first turn, second turn, …]")
    return tuple(map(as_query, value))


def _as_turn(value: object) -> int:
    number = None if is_truth(value) else as_number(value)
    if number is None or not number >= 1 or not number.is_integer():
        raise CellError(f"{shown(value)} is not the number of a turn; give 1 for the first one")
    return int(number)


def _as_judge(value: object) -> str | None:
    """Read who judged; beside it, a list has the name of the prompt, which differs by category."""
    return as_name(value[0] if isinstance(value, list) and value else value)


def _as_score(value: object, scoring: Scoring) -> float:
    number = as_number(value)
    if number is None or is_truth(value):
        raise CellError(
            f"{shown(value)} is not a number; a score is one, and -1 where the judge failed: "
            "correct it"
        )
    if number == _FAILED:
        return math.nan
    scoring.read(number)  # refuses what is out of range
    return number
