"""The pytest plugin: collects routing_tests.yaml and runs one item a test.

pytest imports this module whenever it starts, so what needs numpy is imported where a file is
collected. It asserts nothing itself, so that pytest need not rewrite it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knnrouter.errors import EvaluationWarning, KnnRouterError, PoolWarning, RoutingTestsError

if TYPE_CHECKING:
    from knnrouter.assertions.engine import Bench
    from knnrouter.assertions.outcome import Outcome
    from knnrouter.assertions.reading import ReadFile
    from knnrouter.router import Router

__all__ = [
    "FILE_NAMES",
    "RoutingTestFile",
    "RoutingTestItem",
    "pytest_addhooks",
    "pytest_collect_file",
    "pytest_configure",
]

FILE_NAMES = ("routing_tests.yaml", "routing_tests_*.yaml", "*.routing_tests.yaml")
"""The names of files that are collected."""

_TOLD = (KnnRouterError, PoolWarning, EvaluationWarning)
"""What says by itself what a user can do; a warning is raised where pytest makes it an error."""


class _Hooks:
    """Hooks that a conftest.py may have."""

    @staticmethod
    @pytest.hookspec(firstresult=True)
    def pytest_knnrouter_router(path: Path, config: pytest.Config) -> Router | None:
        """Make the router for a file of routing tests; None: the one that the file names."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hooks known."""
    pluginmanager.add_hookspecs(_Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of routing tests known, for `pytest -m knnrouter`."""
    config.addinivalue_line("markers", "knnrouter: a test of a routing_tests.yaml")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the files that are named as files of routing tests."""
    if any(fnmatch(file_path.name, pattern) for pattern in FILE_NAMES):
        found: RoutingTestFile = RoutingTestFile.from_parent(parent, path=file_path)
        return found
    return None


class RoutingTestFile(pytest.File):
    """A routing_tests.yaml."""

    def collect(self) -> Iterable[RoutingTestItem]:
        """An item for each test of the file.

        Raises:
            CollectError: The file is wrong; the message has every problem with line and column.
        """
        from knnrouter.assertions.wording import titles

        try:
            tests = self.read.content.tests
        except KnnRouterError as error:
            raise self.CollectError(str(error)) from None
        for number, title in enumerate(titles(tests)):
            item: RoutingTestItem = RoutingTestItem.from_parent(self, name=title, number=number)
            yield item

    @cached_property
    def read(self) -> ReadFile:
        """What the file says."""
        from knnrouter.assertions.reading import read_tests

        return read_tests(self.path, source=_short(self.path, self.config))

    @cached_property
    def bench(self) -> Bench:
        """The tests with their router, which is made when the first test is run."""
        from knnrouter.assertions.engine import Bench, router_of
        from knnrouter.router import Router

        router = self.ihook.pytest_knnrouter_router(path=self.path, config=self.config)
        if router is None:
            router = router_of(self.read)
        if not isinstance(router, Router):
            raise RoutingTestsError(
                f"pytest_knnrouter_router returned {router!r:.80}; return a Router, or None for "
                "the one that the file names"
            )
        return Bench(file=self.read, router=router)


class RoutingTestItem(pytest.Item):
    """A test of a routing_tests.yaml."""

    parent: RoutingTestFile

    def __init__(self, *, number: int, **kwargs: Any) -> None:  # noqa: ANN401  # pytest's own
        super().__init__(**kwargs)
        self.number = number
        self.add_marker("knnrouter")

    def setup(self) -> None:
        """Make the router, where no test before did."""
        try:
            _ = self.parent.bench
        except _TOLD as error:
            raise _failed(error) from None

    def runtest(self) -> None:
        """Run the test.

        Raises:
            Failed: The assertion does not hold, or cannot be checked.
        """
        try:
            outcome = self.parent.bench.run(self.number)
        except _TOLD as error:
            raise _failed(error) from None
        if not outcome.passed:
            raise _failed(outcome)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test stands, and what is written above what it has to say."""
        file = self.parent.read
        line = file.line(self.number)
        return self.path, line - 1, f"{file.source}:{line}: {self.name}"


def _failed(why: Outcome | Exception) -> BaseException:
    """What ends a test with a message, and without a traceback of what made it."""
    return pytest.fail.Exception(str(why), pytrace=False)


def _short(path: Path, config: pytest.Config) -> str:
    """A path as it is read from where pytest was started."""
    start = config.invocation_params.dir
    return os.fspath(path.relative_to(start) if path.is_relative_to(start) else path)
