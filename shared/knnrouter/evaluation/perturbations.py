r"""Small changes to a text that leave what it asks as it is: a router should not notice them.

Six kinds: case, white space, typos, politeness, paraphrase and answer format. Each change depends
on the text and a seed alone, never on what was changed before it.

    >>> print(PERTURBATIONS["question"]("Why is the sky blue?"))
    Question: Why is the sky blue?
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from knnrouter.errors import EvaluationError

__all__ = ["PERTURBATIONS", "TYPO_RATE", "Perturbation", "named_perturbations"]

TYPO_RATE = 0.05
"""The share of a text's words that get a typo; at least one word of four letters does."""

_WORD = re.compile(r"[^\W\d_]{4,}")
_LINE_WORDS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Perturbation:
    """A named change of a text.

    Example:
        >>> shout = Perturbation(name="shout", kind="case", change=lambda text, _: text + "!")
        >>> shout("Help")
        'Help!'
    """

    name: str
    """Its name, such as "upper"."""

    kind: str
    """What sort of change it is, such as "case"; shares are told for each kind."""

    change: Callable[[str, Random], str]
    """Makes the new text of the old one; draws what is random from what it is given."""

    def __call__(self, text: str, *, seed: int = 0) -> str:
        """The changed text; the same text and seed give the same one.

        Args:
            text: Any text.
            seed: Where typos fall.
        """
        key = f"{seed}\0{self.name}\0{text}".encode("utf-8", "surrogatepass")
        return self.change(text, Random(key))


def named_perturbations(
    given: Iterable[str | Perturbation] | None = None,
) -> tuple[Perturbation, ...]:
    """The perturbations of these names or kinds; of all, where None is given.

    Args:
        given: Names of perturbations, names of kinds, or perturbations themselves.

    Raises:
        EvaluationError: A name is unknown, two perturbations share a name, or none is left.

    Example:
        >>> [each.name for each in named_perturbations(["question", "case"])]
        ['question', 'lower', 'upper', 'first_letter']
    """
    if given is None:
        return tuple(PERTURBATIONS.values())
    wanted = [given] if isinstance(given, str | Perturbation) else list(given)
    unknown = [each for each in wanted if not isinstance(each, Perturbation) and not _named(each)]
    if unknown:
        raise EvaluationError(
            f"{', '.join(map(repr, unknown))}: no perturbation and no kind of that name; give "
            f"{', '.join(PERTURBATIONS)}, one of the kinds {', '.join(_kinds())}, or a Perturbation"
        )
    found: dict[str, Perturbation] = {}
    for each in wanted:
        for one in [each] if isinstance(each, Perturbation) else _named(each):
            if found.setdefault(one.name, one) != one:
                raise EvaluationError(
                    f"two perturbations are named {one.name!r}; give each a name of its own"
                )
    if not found:
        raise EvaluationError(
            "perturbations is empty, so nothing would be changed; give at least one, or None for "
            "all that are there"
        )
    return tuple(found.values())


def _named(name: object) -> list[Perturbation]:
    """The perturbation of this name, or all of this kind."""
    if name in PERTURBATIONS:
        return [PERTURBATIONS[str(name)]]
    return [each for each in PERTURBATIONS.values() if each.kind == name]


def _kinds() -> list[str]:
    return list(dict.fromkeys(each.kind for each in PERTURBATIONS.values()))


def _first_letter(text: str, _: Random) -> str:
    """The other case for the first letter."""
    place = next((place for place, each in enumerate(text) if each.isalpha()), None)
    if place is None:
        return text
    return text[:place] + text[place].swapcase() + text[place + 1 :]


def _broken_lines(text: str, _: Random) -> str:
    """A line break for every eighth space, as an editor breaks lines."""
    pieces = text.split(" ")
    rows = (pieces[start : start + _LINE_WORDS] for start in range(0, len(pieces), _LINE_WORDS))
    return "\n".join(" ".join(row) for row in rows)


def _typos(typo: Callable[[str, int], str]) -> Callable[[str, Random], str]:
    """A change that makes this typo, at a place within the word, in some words of a text."""

    def change(text: str, random: Random) -> str:
        words = list(_WORD.finditer(text))
        count = max(1, round(TYPO_RATE * len(text.split())))
        for word in sorted(
            random.sample(words, min(count, len(words))), key=re.Match.start, reverse=True
        ):
            letters = word.group()
            wrong = typo(letters, random.randrange(1, len(letters) - 1))
            text = text[: word.start()] + wrong + text[word.end() :]
        return text

    return change


def _swapped(word: str, place: int) -> str:
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _dropped(word: str, place: int) -> str:
    return word[:place] + word[place + 1 :]


def _doubled(word: str, place: int) -> str:
    return word[:place] + word[place] + word[place:]


def _wrapped(template: str) -> Callable[[str, Random], str]:
    """A change that puts a text into a template; {} stands for the text."""
    before, after = template.split("{}")
    return lambda text, _: before + text + after


def _table() -> Mapping[str, Perturbation]:
    changes: dict[str, dict[str, Callable[[str, Random], str]]] = {
        "case": {
            "lower": lambda text, _: text.lower(),
            "upper": lambda text, _: text.upper(),
            "first_letter": _first_letter,
        },
        "whitespace": {
            "doubled_spaces": lambda text, _: text.replace(" ", "  "),
            "outer_space": lambda text, _: f"\n  {text} \n\n",
            "broken_lines": _broken_lines,
        },
        "typos": {
            "swapped_letters": _typos(_swapped),
            "dropped_letters": _typos(_dropped),
            "doubled_letters": _typos(_doubled),
        },
        "politeness": {
            "please": _wrapped("Please help me with this: {}"),
            "greeting": _wrapped("Hi! Could you help me with this question?\n\n{}"),
            "hello": _wrapped("Hello, I hope you are well. {}"),
            "thanks": _wrapped("{}\n\nThank you very much in advance!"),
        },
        "paraphrase": {
            "question": _wrapped("Question: {}"),
            "would_like": _wrapped("I would like to know: {}"),
            "can_you": _wrapped("Can you tell me the following? {}"),
            "briefly": _wrapped("{} Explain briefly."),
            "my_task": _wrapped("Here is my task for you.\n{}\nWhat do you say?"),
        },
        "answer_format": {
            "answer": _wrapped("{}\nAnswer:"),
            "letter_only": _wrapped("{}\nAnswer with the letter only."),
            "final_line": _wrapped("{}\n\nWrite your final answer on the last line."),
            "following": _wrapped("Answer the following question.\n\n{}"),
            "steps": _wrapped("{}\nLet's think step by step."),
        },
    }
    return MappingProxyType(
        {
            name: Perturbation(name=name, kind=kind, change=change)
            for kind, named in changes.items()
            for name, change in named.items()
        }
    )


PERTURBATIONS: Mapping[str, Perturbation] = _table()
"""All perturbations of this library, by name."""
