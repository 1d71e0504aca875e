"""What a routing_tests.yaml may hold, as frozen values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, StrictStr, model_validator

from knnrouter.assertions.fields import NameOrNames, Part, PromptText, PromptTexts, SomeNames, some
from knnrouter.assertions.limits import Cost, FlipRate, Quality, Share
from knnrouter.yaml_files import FileModel, Name, Problem, ProblemsFoundError, Words

__all__ = [
    "KINDS",
    "SOURCES",
    "RouteOptions",
    "RoutingTest",
    "RoutingTests",
    "SharedPrompt",
    "When",
    "key_problems",
]

KINDS = ("one_of", "never", "share", "flip_rate", "quality", "cost_per_1000")
"""The keys that say what is asserted; a test has exactly one."""

SOURCES = ("prompt", "prompts", "file")
"""The keys that say which prompts are routed; a test has one, or routes the shared prompts."""


class When(Part, frozen=True):
    """Which of the prompts are routed: those with this tag, of this task, or both."""

    tag: Name | None = None
    """A tag of the shared prompts."""
    task: Name | None = None
    """A task of the rows of a file."""

    @model_validator(mode="after")
    def _stated(self) -> When:
        if self.tag is None and self.task is None:
            raise ProblemsFoundError([Problem((), "it chooses nothing; state tag or task")])
        return self


class RouteOptions(Part, frozen=True):
    """What the application gives to `Router.route` beside the prompt."""

    allow: SomeNames | None = None
    """The models that may answer; None: all that are enabled."""
    require: NameOrNames = ()
    """Capabilities that the model must have."""
    tags: NameOrNames = ()
    """Tags that the model must have in the pool."""


class SharedPrompt(Part, frozen=True):
    """A prompt, or the prompts of a file, that any test may route."""

    prompt: PromptText | None = None
    """The text."""
    file: Name | None = None
    """A file of outcomes, whose queries are the prompts; relative to the folder of this file."""
    tags: NameOrNames = ()
    """What kind of prompt it is, in your own words."""

    @model_validator(mode="after")
    def _one_source(self) -> SharedPrompt:
        if (self.prompt is None) == (self.file is None):
            raise ProblemsFoundError([Problem((), "state either prompt or file")])
        return self


class RoutingTest(Part, frozen=True):
    """One assertion on where some prompts go.

    Raises:
        RoutingTestsError: A field is wrong, or fields do not go together; all that is wrong.

    Example:
        >>> test = RoutingTest(prompt="Sort a list in C.", one_of="coder")
        >>> test.kind, test.one_of
        ('one_of', ('coder',))
    """

    nested: ClassVar[dict[str, type[FileModel]]] = {
        "when": When,
        "route": RouteOptions,
        "share": Share,
        "flip_rate": FlipRate,
        "quality": Quality,
        "cost_per_1000": Cost,
    }

    name: Name | None = None
    """What to call it; None: it is called by what it says."""
    prompt: PromptText | None = None
    """The text to route."""
    prompts: PromptTexts | None = None
    """The texts to route."""
    file: Name | None = None
    """A file of outcomes, whose queries are routed; relative to the folder of this file."""
    when: When | None = None
    """Which of the prompts; None: all."""
    route: RouteOptions = RouteOptions()
    """What they are routed with."""
    one_of: SomeNames | None = None
    """Each prompt goes to one of these models."""
    never: SomeNames | None = None
    """No prompt goes to any of these models."""
    share: Share | None = None
    """How many of the prompts go to a model."""
    flip_rate: FlipRate | None = None
    """How many decisions change with the wording."""
    quality: Quality | None = None
    """What the chosen models score, on a file of outcomes."""
    cost_per_1000: Cost | None = None
    """What the chosen models cost."""

    @model_validator(mode="after")
    def _consistent(self) -> RoutingTest:
        keys = {key: value for key in self.model_fields_set if (value := getattr(self, key))}
        problems = tuple(key_problems({key: _plain(value) for key, value in keys.items()}))
        if problems:
            raise ProblemsFoundError(problems)
        return self

    @property
    def kind(self) -> str:
        """The key that says what is asserted."""
        return next(key for key in KINDS if getattr(self, key) is not None)


def _plain(value: object) -> object:
    return value.model_dump(exclude_none=True) if isinstance(value, FileModel) else value


def key_problems(keys: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the keys of a test beside each other.

    Args:
        keys: The test's keys and values as a file has them; the values may be wrong.
    """
    kinds = [key for key in KINDS if key in keys]
    if not kinds and set(keys) <= set(RoutingTest.model_fields):  # else one is misspelled
        yield Problem((), f"it asserts nothing; state one of {', '.join(KINDS)}")
    for key in kinds[1:]:
        yield Problem(
            (key,), f"a test asserts one thing, and {kinds[0]} stands here too; make two tests"
        )
    sources = [key for key in SOURCES if key in keys]
    for key in sources[1:]:
        yield Problem((key,), f"{sources[0]} says which prompts are routed; leave out one of them")
    if "file" not in keys:
        yield from _without_file(keys, sources)
    if "flip_rate" in keys and "route" in keys:
        yield Problem(("route",), "flips are found without options of route; leave it out")


def _without_file(keys: Mapping[str, Any], sources: Collection[str]) -> Iterator[Problem]:
    if "quality" in keys:
        yield Problem(("quality",), "quality is measured on a file of outcomes; state file")
    cost, when = keys.get("cost_per_1000"), keys.get("when")
    if isinstance(cost, Mapping) and not cost.get("expected"):
        yield Problem(
            ("cost_per_1000",),
            "costs are measured on a file of outcomes; state file, or expected: true for what the "
            "router expects",
        )
    if isinstance(when, Mapping) and sources:
        for key in when:
            yield Problem(
                ("when", key), f"a prompt that stands in the test has no {key}; leave out when"
            )


class RoutingTests(Part, frozen=True):
    """A whole routing_tests.yaml."""

    nested: ClassVar[dict[str, type[FileModel]]] = {"prompts": SharedPrompt, "tests": RoutingTest}
    words: ClassVar[Words] = Words(
        wanted={
            "policy": "text such as score_minus_cost:cost_weight=20, or a mapping with a kind, is "
            "wanted"
        }
    )

    version: Literal[1] = 1
    """The version of the file's format."""
    router: Name | None = None
    """The saved router's folder; relative to the folder of this file."""
    pool: Name | None = None
    """A pool.yaml; its `router.index` is the saved router where `router` is left out."""
    policy: Name | dict[StrictStr, Any] | None = None
    """How to choose, instead of the pool's policy."""
    prompts: tuple[SharedPrompt, ...] = ()
    """Prompts that any test may route."""
    tests: Annotated[tuple[RoutingTest, ...], AfterValidator(some)]
    """The tests, in the order of the file."""
