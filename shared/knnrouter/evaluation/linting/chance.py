"""Multiple choice: what guessing scores, and how far many guessers lift an oracle.

Of `C` options a guess hits one in `C`. Of `M` models that all guess, at least one is right on
1 - (1 - 1/C)^M of the questions, and a query oracle counts each of these as solved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .finding import Finding, listed, percent
from .subject import Subject

__all__ = ["FEWEST", "SHARE", "check_chance", "options"]

SHARE = 0.1
"""From this share of multiple-choice prompts on, chance moves the means of the whole file: a tenth
of four-option questions is worth 0.025 to a model that knows nothing."""

FEWEST = 30
"""On fewer questions than this, no model can be told from chance, and none is called so."""

_Z = 1.959964
"""Of a two-sided interval at 0.95."""

_AT_LINE = re.compile(r"^[ \t]*\(?([A-Z])[.)．、][ \t]*\S", re.MULTILINE)
_INLINE = re.compile(r"\(([A-Z])\)")
_FEWEST_AT_LINE = 2
_FEWEST_INLINE = 3  # "(A)" and "(B)" also stand in prose


def options(text: str) -> int:
    r"""How many lettered options a prompt offers; 0 where it is no multiple choice.

    Options are lines that start with `A.`, `A)` or `(A)`, `B.` and so on; or `(A)`, `(B)`, `(C)`
    anywhere. Of several such lists, as in prompts with examples, the last one counts.

    Example:
        >>> options("2 + 2?\nA. 3\nB. 4\nC. 5\nAnswer:"), options("Is it (A) 3, (B) 4 or (C) 5?")
        (3, 3)
        >>> options("Explain plan B.")
        0
    """
    for pattern, fewest in ((_AT_LINE, _FEWEST_AT_LINE), (_INLINE, _FEWEST_INLINE)):
        runs = [run for run in _runs(pattern.findall(text)) if run >= fewest]
        if runs:
            return runs[-1]
    return 0


def _runs(letters: Sequence[str]) -> list[int]:
    """How long each alphabetical row of letters from A on is; other letters do not count."""
    runs = [0]
    for letter in letters:
        place = ord(letter) - ord("A")
        if place == 0:
            runs.append(1)
        elif place == runs[-1]:
            runs[-1] += 1
    return runs


def check_chance(subject: Subject) -> Iterator[Finding]:
    """Multiple-choice rows among those with text; models that do no better than a guess on them."""
    found = np.array([options(query or "") for query in subject.records.queries])
    rows = np.flatnonzero(found)
    if len(rows) < SHARE * max(1, len(subject.texts)):
        return
    scores, chance = subject.scores[rows], 1.0 / found[rows]
    yield _multiple_choice(len(rows) / len(subject.texts), scores, chance)
    yield from _guessing(subject.records.models, scores, chance)


def _multiple_choice(
    share: float, scores: NDArray[np.float64], chance: NDArray[np.float64]
) -> Finding:
    models = (~np.isnan(scores)).sum(axis=1)
    guessed, oracle = float(chance.mean()), float((1.0 - (1.0 - chance) ** models).mean())
    return Finding(
        code="multiple_choice",
        value={"share": share, "chance": guessed, "oracle_chance": oracle},
        why=(
            f"{percent(share)} of the prompts are multiple choice: a guess scores {guessed:.3f}, "
            f"not 0, and if all models only guessed, a query oracle would still score "
            f"{oracle:.3f}. A lucky guess counts as skill in the evidence."
        ),
        todo=(
            "Report scores above chance and a chance-corrected oracle, or ask each question "
            "several times with the options shuffled."
        ),
    )


def _guessing(
    models: Sequence[str], scores: NDArray[np.float64], chance: NDArray[np.float64]
) -> Iterator[Finding]:
    """Models whose right and wrong answers are not clearly above chance."""
    guessers = {}
    for column, model in enumerate(models):
        known = ~np.isnan(scores[:, column])
        score = scores[known, column]
        if len(score) < FEWEST or not np.isin(score, (0.0, 1.0)).all():
            continue  # other marks, such as probabilities, have another chance level
        above = score - chance[known]
        if above.mean() - _Z * above.std(ddof=1) / np.sqrt(len(above)) <= 0:
            guessers[model] = float(score.mean())
    if guessers:
        level = float(chance.mean())
        yield Finding(
            code="models_at_chance",
            value=guessers,
            why=(
                f"On the multiple-choice prompts the mean score of {listed(list(guessers))} is "
                f"{', '.join(f'{score:.3f}' for score in list(guessers.values())[:4])}, not "
                f"clearly above the {level:.3f} of a guess: where a router finds such a model "
                "right, it learns luck."
            ),
            todo=(
                "Look whether its answers were parsed as they were meant; else leave the model "
                "out, or score more questions."
            ),
        )
