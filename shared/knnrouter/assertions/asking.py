"""Which prompts a test routes, and what was measured on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from knnrouter.assertions.schema import RoutingTest, RoutingTests, SharedPrompt, When
from knnrouter.errors import RoutingTestsError
from knnrouter.ingest import read_records
from knnrouter.records import RecordSet
from knnrouter.yaml_files import did_you_mean

__all__ = ["Asked", "Prompt", "RecordFiles", "asked", "described"]

_MOST_NAMED = 5  # rows in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A text to route, and by what it can be chosen."""

    text: str
    tags: tuple[str, ...] = ()
    """What kind of prompt it is, in the words of the file."""
    task: str | None = None
    """The task of its row; None where it comes from no row, or none is known."""
    row: int | None = None
    """Its row in the test's own file of outcomes; None where it comes from elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The prompts of a test, at least one."""

    prompts: tuple[Prompt, ...]
    records: RecordSet | None = None
    """The test's own file of outcomes; each prompt has its row in it."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to route."""
        return tuple(prompt.text for prompt in self.prompts)

    @property
    def measured(self) -> RecordSet:
        """The test's own file of outcomes.

        Raises:
            RoutingTestsError: It has none.
        """
        if self.records is None:
            raise RoutingTestsError(
                "nothing was measured on these prompts; state a file of outcomes"
            )
        return self.records

    @property
    def rows(self) -> tuple[int, ...]:
        """The row of each prompt in `measured`."""
        return tuple(prompt.row for prompt in self.prompts if prompt.row is not None)


@dataclass(frozen=True, eq=False, slots=True)
class RecordFiles:
    """Files of outcomes, by their names in routing_tests.yaml; each is read once."""

    folder: Path
    """What the names are relative to."""
    read: Callable[[Path], RecordSet] = read_records
    """Reads a file."""
    _known: dict[str, RecordSet] = field(default_factory=dict)

    def records(self, name: str) -> RecordSet:
        """The outcomes of a file, every row with its text.

        Raises:
            RecordsError: The file cannot be read.
            RoutingTestsError: It keeps no texts.
        """
        if name not in self._known:
            found = self.read(self.folder / name)
            bare = [row for row, text in zip(found.ids, found.queries, strict=True) if text is None]
            if bare:
                some = ", ".join(bare[:_MOST_NAMED])
                raise RoutingTestsError(
                    f"{name}: {len(bare):,} of {len(found.ids):,} rows keep no text ({some}), and "
                    "a test routes texts; name a file that keeps them"
                )
            self._known[name] = found
        return self._known[name]


def asked(test: RoutingTest, file: RoutingTests, files: RecordFiles) -> Asked:
    """The prompts of a test.

    Args:
        test: The test.
        file: What the shared prompts stand in.
        files: Reads files of outcomes.

    Raises:
        RecordsError: A file cannot be read.
        RoutingTestsError: No prompt is left, or a file keeps no texts.
    """
    if test.file is not None:
        records = files.records(test.file)
        return Asked(prompts=_chosen(_rows(records), test.when), records=records)
    own = test.prompts or ((test.prompt,) if test.prompt is not None else ())
    if own:
        return Asked(prompts=tuple(Prompt(text=text) for text in own))
    shared = [each for given in file.prompts for each in _shared(given, files)]
    return Asked(prompts=_chosen(shared, test.when))


def _rows(records: RecordSet) -> list[Prompt]:
    pairs = zip(records.queries, records.tasks, strict=True)
    return [Prompt(text=str(text), task=task, row=row) for row, (text, task) in enumerate(pairs)]


def _shared(given: SharedPrompt, files: RecordFiles) -> Iterator[Prompt]:
    tags = tuple(given.tags)
    if given.prompt is not None:
        yield Prompt(text=given.prompt, tags=tags)
    elif given.file is not None:
        for each in _rows(files.records(given.file)):
            yield Prompt(text=each.text, tags=tags, task=each.task)


def _chosen(prompts: Sequence[Prompt], when: When | None) -> tuple[Prompt, ...]:
    """The prompts that fit; that none does would make any assertion hold."""
    left = tuple(each for each in prompts if when is None or _fits(each, when))
    if left:
        return left
    if when is None or not prompts:
        raise RoutingTestsError("there is no prompt to route; list at least one")
    tasks = list(dict.fromkeys(each.task for each in prompts if each.task is not None))
    known = f"the tasks are {', '.join(tasks)}" if tasks else "none of them has a task"
    hint = "" if when.task is None else did_you_mean(when.task, tasks)
    raise RoutingTestsError(
        f"none of {len(prompts):,} prompts has {described(when)}; {known}{hint}"
    )


def _fits(prompt: Prompt, when: When) -> bool:
    return (when.tag is None or when.tag in prompt.tags) and when.task in (None, prompt.task)


def described(when: When) -> str:
    """What a test chooses its prompts by, in words.

    >>> described(When(tag="legal", task="contracts"))
    'tag = legal, task = contracts'
    """
    stated = (("tag", when.tag), ("task", when.task))
    return ", ".join(f"{key} = {value}" for key, value in stated if value is not None)
