"""routing_tests.yaml in: every problem of a file at once, each with its line and column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knnrouter import policies
from knnrouter.assertions.schema import KINDS, RoutingTest, RoutingTests, SharedPrompt, key_problems
from knnrouter.errors import PolicyError, RoutingTestsError
from knnrouter.evaluation.perturbations import PERTURBATIONS
from knnrouter.yaml_files import (
    FileKind,
    Place,
    Problem,
    did_you_mean,
    located,
    read_document,
    read_text,
    refused,
)
from knnrouter.yaml_files.nodes import YamlDocument

__all__ = ["TESTS_FILE", "ReadFile", "read_tests", "read_tests_text"]

TESTS_FILE = FileKind(
    noun="a file of routing tests",
    does="lists tests",
    file_name="routing_tests.yaml",
    example="tests: [{prompt: Sort a list in C., one_of: [small, large]}]",
    error=RoutingTestsError,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadFile:
    """A file that was read: what it says, and where it says that."""

    content: RoutingTests
    """What it says."""
    path: Path
    """Where it lies; paths in it are relative to its folder."""
    source: str
    """What to call it in messages."""
    document: YamlDocument

    def line(self, number: int) -> int:
        """The line that a test begins in, counted from 1.

        Args:
            number: Which test, counted from 0.
        """
        return self.document.marks[("tests", number)][0]

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Raise what is wrong with the file, if anything is.

        Raises:
            RoutingTestsError: There are problems; each with line and column.
        """
        found = tuple(problems)
        if found:
            raise RoutingTestsError(located(found, self.document, self.source))


def read_tests(path: Path, *, source: str | None = None) -> ReadFile:
    """Read a routing_tests.yaml.

    Args:
        path: The file.
        source: What to call it in messages; None: by its path.

    Raises:
        RoutingTestsError: The file cannot be read or is wrong; each problem with line and column.
    """
    text = read_text(path, TESTS_FILE)
    return read_tests_text(text, path=path, source=str(path) if source is None else source)


def read_tests_text(text: str, *, path: Path, source: str) -> ReadFile:
    """Read routing tests from YAML text.

    Args:
        text: YAML.
        path: Where the text lies.
        source: What to call the text in messages.

    Raises:
        RoutingTestsError: The text is wrong; each problem with line and column.

    Example:
        >>> text = "tests: [{prompt: Sort a list in C., one_of: [small, large]}]"
        >>> file = read_tests_text(text, path=Path("routing_tests.yaml"), source="mine")
        >>> file.content.tests[0].one_of, file.line(0)
        (('small', 'large'), 1)
    """
    keys = tuple(RoutingTests.model_fields)
    document = read_document(text, source=source, kind=TESTS_FILE, keys=keys)
    problems = [*document.problems, *_problems(document.data, document)]
    if problems:
        raise RoutingTestsError(located(problems, document, source))
    content = RoutingTests.model_validate(document.data)
    return ReadFile(content=content, path=path, source=source, document=document)


def _problems(data: Mapping[str, Any], document: YamlDocument) -> Iterator[Problem]:
    """What is wrong, part by part: one wrong test does not hide the others."""
    parts = ("prompts", "tests")
    rest = {key: value for key, value in data.items() if key not in parts}
    some = ({"prompt": "?", KINDS[0]: ("?",)},)
    yield from refused(RoutingTests, {**rest, "tests": some}, (), document)
    yield from _policy_problems(data.get("policy"))
    for number, given in enumerate(_items(data, "prompts")):
        yield from refused(SharedPrompt, given, ("prompts", number), document)
    if "prompts" in data and not isinstance(data["prompts"], Sequence):
        yield Problem(("prompts",), "a list is wanted, such as: prompts: [{prompt: Hi.}]")
    if not _items(data, "tests"):
        yield Problem(("tests",), f"list at least one test, such as: {TESTS_FILE.example}")
    for number, given in enumerate(_items(data, "tests")):
        place = ("tests", number)
        yield from refused(RoutingTest, given, place, document)
        if isinstance(given, Mapping):
            for problem in _test_problems(given, data):
                yield Problem((*place, *problem.place), problem.message)


def _items(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else ()


def _policy_problems(policy: object) -> Iterator[Problem]:
    if isinstance(policy, str | Mapping):
        try:
            policies.parse(policy)
        except PolicyError as error:
            yield Problem(("policy",), str(error))


def _test_problems(test: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a test beyond its single values."""
    yield from key_problems(test)
    own = {"prompt", "prompts", "file"} & set(test)
    if not own and not _items(data, "prompts"):
        yield Problem(
            (), "it routes nothing; state prompt, prompts or file, or list prompts for all tests"
        )
    when = test.get("when")
    if isinstance(when, Mapping) and isinstance(when.get("tag"), str):
        yield from _tag_problems(when["tag"], "file" in own, own, _tags(data))
    rate = test.get("flip_rate")
    if isinstance(rate, Mapping):
        yield from _perturbation_problems(rate.get("perturbations"))


def _tag_problems(
    tag: str, of_file: bool, own: set[str], known: Sequence[str]
) -> Iterator[Problem]:
    place: Place = ("when", "tag")
    if of_file:
        yield Problem(
            place,
            "rows of a file have tasks; state task, or list the file in prompts with tags",
        )
    elif not own and tag not in known:
        has = f"the tags are {', '.join(known)}" if known else "no prompt has tags"
        yield Problem(place, f"no prompt has the tag {tag!r}; {has}{did_you_mean(tag, known)}")


def _tags(data: Mapping[str, Any]) -> list[str]:
    """The tags of the shared prompts, as far as they are text."""
    found: dict[str, None] = {}
    for given in _items(data, "prompts"):
        tags = given.get("tags") if isinstance(given, Mapping) else None
        listed = [tags] if isinstance(tags, str) else tags if isinstance(tags, list) else []
        found.update(dict.fromkeys(tag for tag in listed if isinstance(tag, str)))
    return list(found)


def _perturbation_problems(given: object) -> Iterator[Problem]:
    names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    kinds = list(dict.fromkeys(each.kind for each in PERTURBATIONS.values()))
    known = [*kinds, *PERTURBATIONS]
    for number, name in enumerate(names):
        if isinstance(name, str) and name not in known:
            yield Problem(
                ("flip_rate", "perturbations", number),
                f"no change and no kind of changes is called {name!r}; the kinds are "
                f"{', '.join(kinds)}{did_you_mean(name, known)}",
            )
