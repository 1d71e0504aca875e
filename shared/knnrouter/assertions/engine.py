"""Runs one routing test against a router: values in, an outcome out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knnrouter.assertions import rates
from knnrouter.assertions.asking import Asked, RecordFiles, asked
from knnrouter.assertions.outcome import Outcome
from knnrouter.assertions.reading import ReadFile
from knnrouter.assertions.schema import RouteOptions, RoutingTest
from knnrouter.assertions.wording import decision_lines, more
from knnrouter.decision import Decision
from knnrouter.errors import UnknownModelError
from knnrouter.policies import Policy, named_models, parse
from knnrouter.pool import ModelPool
from knnrouter.router import Router
from knnrouter.yaml_files import Place, Problem

__all__ = ["Bench", "router_of"]

_SHOWN_PROMPTS = 5
"""How many prompts of a test that fails are shown in full."""


def router_of(file: ReadFile) -> Router:
    """The router that a file names: of `router`, else of `pool`, else the starter.

    Args:
        file: The file.

    Raises:
        PoolError: The pool cannot be used, or names no index and there is no `router`.
        StoreError: The saved router cannot be used.
    """
    folder, content = file.path.parent, file.content
    if content.router is not None:
        pool = None if content.pool is None else ModelPool.from_yaml(folder / content.pool)
        return Router.load(folder / content.router, pool=pool)
    if content.pool is not None:
        return Router.from_yaml(folder / content.pool)
    return Router.starter()


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A file of routing tests, and the router that they are run against."""

    file: ReadFile
    """The tests."""
    router: Router
    """The router."""
    files: RecordFiles = field(init=False)
    _decided: dict[object, list[Decision]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", RecordFiles(self.file.path.parent))

    @property
    def policy(self) -> Policy | None:
        """The policy of the file; None: the router's."""
        stated = self.file.content.policy
        return None if stated is None else parse(stated)

    def run(self, number: int) -> Outcome:
        """Run a test.

        Args:
            number: Which one, counted from 0.

        Raises:
            KnnRouterError: The test cannot be run: a file cannot be read or holds no outcome that
                is needed, a model is unknown, or a prompt cannot be routed.
        """
        test = self.file.content.tests[number]
        self.file.refuse(_unknown_models(test, self.policy, number, self.router.pool))
        prompts = asked(test, self.file.content, self.files)
        return self._check(test, prompts)

    def _check(self, test: RoutingTest, prompts: Asked) -> Outcome:
        pool = self.router.pool
        if test.flip_rate is not None:
            return rates.flip_rate(test.flip_rate, prompts, self.router, self.policy)
        decisions = self.decisions(prompts, test.route)
        if test.share is not None:
            return rates.share(test.share, decisions, pool)
        if test.quality is not None:
            return rates.quality(test.quality, prompts, decisions, pool)
        if test.cost_per_1000 is not None:
            return rates.cost(test.cost_per_1000, prompts, decisions, pool)
        if test.one_of is not None:
            wanted = _names(pool, test.one_of)
            words = wanted[0] if len(wanted) == 1 else f"one of {', '.join(wanted)}"
            marks = dict.fromkeys(wanted, "wanted")
            return self._each(prompts, decisions, words, wanted, marks)
        unwanted = _names(pool, test.never or ())
        accepted = tuple(name for name in pool.enabled_names if name not in unwanted)
        words, marks = f"any model but {', '.join(unwanted)}", dict.fromkeys(unwanted, "never")
        return self._each(prompts, decisions, words, accepted, marks)

    def _each(
        self,
        prompts: Asked,
        decisions: Sequence[Decision],
        wanted: str,
        accepted: Sequence[str],
        marks: Mapping[str, str],
    ) -> Outcome:
        """Whether each prompt went to a model that is accepted."""
        pairs = list(zip(prompts.texts, decisions, strict=True))
        wrong = [pair for pair in pairs if pair[1].model not in accepted]
        details: list[str] = []
        for text, decision in wrong[:_SHOWN_PROMPTS]:
            lines = decision_lines(
                text,
                decision,
                wanted=wanted,
                accepted=accepted,
                marks=marks,
                evidence=self.router.records,
            )
            details += ["", *lines]
        return Outcome(
            passed=not wrong,
            summary=f"{len(wrong):,} of {len(pairs):,} prompts went elsewhere",
            details=(*details, *more(len(wrong), _SHOWN_PROMPTS)),
        )

    def decisions(self, prompts: Asked, options: RouteOptions) -> list[Decision]:
        """What the router decides; asked once, however many tests want to know."""
        key = (prompts.texts, options.allow, options.require, options.tags)
        if key not in self._decided:
            self._decided[key] = self.router.route_many(
                prompts.texts,
                policy=self.policy,
                allow=options.allow,
                require=options.require,
                tags=options.tags,
            )
        return self._decided[key]


def _names(pool: ModelPool, given: Sequence[str]) -> tuple[str, ...]:
    """The pool's names of models; an alias is as good as a name."""
    return tuple(pool.spec(name).name for name in given)


def _unknown_models(
    test: RoutingTest, policy: Policy | None, number: int, pool: ModelPool
) -> Iterator[Problem]:
    """Names that would make a test hold, or fail, for no other reason than that they are wrong."""
    stated: dict[Place, Sequence[str]] = {
        ("one_of",): test.one_of or (),
        ("never",): test.never or (),
        ("route", "allow"): test.route.allow or (),
        ("share", "model"): () if test.share is None else (test.share.model,),
    }
    for place, names in stated.items():
        for at, name in enumerate(names):
            step: tuple[Any, ...] = () if place[-1] == "model" else (at,)
            yield from _unknown(name, ("tests", number, *place, *step), pool)
    for name in () if policy is None else named_models(policy):
        yield from _unknown(name, ("policy",), pool)


def _unknown(name: str, place: Place, pool: ModelPool) -> Iterator[Problem]:
    try:
        pool.spec(name)
    except UnknownModelError as error:
        yield Problem(place, str(error))
