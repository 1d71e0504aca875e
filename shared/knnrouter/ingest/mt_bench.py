"""MT-Bench: questions of one or more turns, and a judge's scores of the answers to each turn.

A router chooses once for the whole conversation, and sees the first turn when it does. So a record
is a question: its query is the first turn, its score the mean over the turns.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .files import Table, read_jsonl
from .ignoring import ignore_faults
from .judging import Judgement, Question, read_judgement, read_question
from .rows import Cell, Evidence, ReadOptions, Row, build
from .sources import Format, Source
from .wording import counted

__all__ = ["MT_BENCH"]

_Scores: TypeAlias = Mapping[str, Mapping[str, float]]  # question -> model -> score

_QUESTIONS = "question.jsonl"
_JUDGEMENTS = "model_judgment"
_RANGE = (1, 10)
_ASKED = {"question_id", "turns"}
_JUDGED = {"question_id", "model", "score"}
_COMPARED = {"question_id", "model_1", "model_2"}


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What is to be read."""

    questions: Table
    judgements: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def _matches(source: Source) -> bool:
    if source.kind == "folder":
        path = source.path / _QUESTIONS
        return path.is_file() and _has(read_jsonl(path, source.encoding), _ASKED)
    known = _has(source.table, _ASKED) or _has(source.table, _JUDGED)
    return known and "query" not in source.table.columns


def _has(table: Table, columns: set[str]) -> bool:
    return columns <= set(table.columns)


def _read(source: Source, options: ReadOptions) -> RecordSet:
    files = _in_folder(source) if source.kind == "folder" else _beside(source)
    scoring = options.scoring
    if scoring.scale is None and scoring.threshold is None:
        scoring = replace(scoring, scale=_RANGE)
    questions = [read_question(row) for row in files.questions.rows]
    turns = {each.id: len(each.turns) for each in questions if each.id}
    judged = [
        read_judgement(row, turns, scoring)
        for table in files.judgements
        for row in table.rows
        if row.values.get("model") not in tuple(options.ignore)
    ]
    usable, repeated = _distinct(each for each in judged if not each.problem)
    bad = [Row(each.place, "", {}, each.problem) for each in judged if each.problem]
    scores = _means(usable)
    evidence = Evidence(
        source=str(source.path),
        rows=[*_rows(questions, scores), *bad, *repeated],
        models=tuple(dict.fromkeys(each.model for each in usable)),
        faults=(*_unknown_models(source, files, options), *_several_judges(source, usable)),
        notes=(*files.notes, *_notes(questions, usable, scores)),
    )
    return build(evidence, replace(options, scoring=scoring))


def _in_folder(source: Source) -> _Files:
    path = source.path / _QUESTIONS
    if not path.is_file():
        raise RecordsError(
            f"{source.path}: there is no {_QUESTIONS} in the folder; name the folder that holds it"
        )
    others = [*source.beside("*.jsonl"), *source.beside(f"{_JUDGEMENTS}/*.jsonl")]
    tables = [read_jsonl(other, source.encoding) for other in others if other != path]
    judgements = tuple(table for table in tables if _has(table, _JUDGED))
    if not judgements:
        raise RecordsError(
            f"{source.path}: {_QUESTIONS} is there, but no judgements; put a *.jsonl with "
            f"question_id, model, turn and score beside it, or into a folder {_JUDGEMENTS} there"
        )
    notes = tuple(
        f"{table.path.name} is left out: it compares answers, and has no scores"
        for table in tables
        if _has(table, _COMPARED)
    )
    return _Files(questions=read_jsonl(path, source.encoding), judgements=judgements, notes=notes)


def _beside(source: Source) -> _Files:
    if not _has(source.table, _JUDGED):
        raise RecordsError(
            f"{source.path}: holds no judgements, which have question_id, model, turn and score; "
            f"the columns are {', '.join(source.table.columns)}: name the file of the judgements, "
            f"or the folder that holds it and {_QUESTIONS}"
        )
    folder = source.path.parent
    for path in (folder / _QUESTIONS, folder.resolve().parent / _QUESTIONS):
        if path.is_file():
            questions = read_jsonl(path, source.encoding)
            return _Files(questions=questions, judgements=(source.table,))
    raise RecordsError(
        f"{source.path}: holds judgements, but there is no {_QUESTIONS} beside it or in the folder "
        "above; a router learns from what was asked: put it there"
    )


def _distinct(judgements: Iterable[Judgement]) -> tuple[list[Judgement], list[Row]]:
    """Keep a judge's first score of an answer; a second one is a fault of its row."""
    first: dict[tuple[object, ...], Judgement] = {}
    repeated = []
    for each in judgements:
        kept = first.setdefault((each.question, each.model, each.turn, each.judge), each)
        if kept is not each:
            problem = (
                f"turn {each.turn} of question {each.question!r} by {each.model!r} is already "
                f"judged at {kept.place}; keep one of the two"
            )
            repeated.append(Row(each.place, "", {}, problem))
    return list(first.values()), repeated


def _means(judgements: Iterable[Judgement]) -> _Scores:
    """Take the mean over the turns; NaN if one is missing that was judged for another model."""
    scores: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for each in judgements:
        scores[each.question][each.model][each.turn] = each.score
    return {
        question: {model: _mean(given, _turns_of(by_model)) for model, given in by_model.items()}
        for question, by_model in scores.items()
    }


def _turns_of(by_model: Mapping[str, Mapping[int, float]]) -> set[int]:
    return {turn for given in by_model.values() for turn in given}


def _mean(given: Mapping[int, float], turns: set[int]) -> float:
    return math.fsum(given.get(turn, math.nan) for turn in turns) / len(turns)


def _rows(questions: Iterable[Question], scores: _Scores) -> Iterator[Row]:
    """Name the values of questions; those that nobody was judged on are left out."""
    for each in questions:
        if each.problem:
            yield Row(each.place, "", {}, each.problem)
        elif each.id in scores:
            cells: dict[Cell, object] = {
                Cell("id"): each.id,
                Cell("query"): each.turns[0],
                Cell("task"): each.category,
            }
            cells |= {Cell("score", model): score for model, score in scores[each.id].items()}
            yield Row(each.place, each.id, cells)


def _unknown_models(source: Source, files: _Files, options: ReadOptions) -> Iterator[str]:
    stated = (row.values.get("model") for table in files.judgements for row in table.rows)
    models = [model for model in stated if isinstance(model, str)]
    yield from ignore_faults(str(source.path), options.ignore, models, what="model")


def _several_judges(source: Source, judgements: Iterable[Judgement]) -> Iterator[str]:
    judges = sorted({each.judge or "one without a name" for each in judgements})
    if len(judges) > 1:
        yield (
            f"{source.path}: the scores are those of several judges: {', '.join(judges)}; judges "
            "differ in what they call good: name a file with the judgements of one"
        )


def _notes(
    questions: Sequence[Question], judgements: Sequence[Judgement], scores: _Scores
) -> Iterator[str]:
    yield "a query is the first turn of a question, a score the mean over its turns"
    good = {each.id: each for each in questions if not each.problem}
    asked = [each for each in judgements if each.question in good]
    failed = sum(math.isnan(each.score) for each in asked)
    if failed:
        yield f"{counted(failed, 'judgement')} without a score, where the judge failed"
    incomplete = sum(math.isnan(mean) for name in good for mean in scores.get(name, {}).values())
    if incomplete:
        yield f"{counted(incomplete, 'mean')} not taken, because a turn has no score"
    judged = Counter(name for name, _ in {(each.question, each.turn) for each in asked})
    shorter = sum(len(good[name].turns) > turns for name, turns in judged.items())
    if shorter:
        yield f"{counted(shorter, 'question')} with turns on which no model was judged"
    unjudged = len(good.keys() - scores.keys())
    if unjudged:
        yield f"{unjudged:,} of {counted(len(good), 'question')} without judgements, left out"


MT_BENCH = Format(
    name="mt_bench",
    looks_like=(
        "MT-Bench: judgements in a jsonl with question_id, model, turn and score, or the folder "
        "with them and question.jsonl"
    ),
    fields=(
        "question.jsonl: question_id, category, turns; the query is the first turn, the task the "
        "category. judgements: question_id, model, turn, score from 1 to 10 (-1: the judge "
        "failed), judge; a score is the mean over the turns"
    ),
    kinds=("JSONL", "folder"),
    matches=_matches,
    read=_read,
)
