"""Every error this library raises on purpose.

::

    KnnRouterError
    ├── RecordsError (ValueError)        benchmark outcomes that cannot be used
    ├── PoolError (ValueError)           a pool.yaml, or a pool, that cannot be used
    │   ├── EmptyPoolError               no model is left to choose from
    │   └── UnpricedError                a policy needs a cost that nobody stated
    ├── PolicyError (ValueError)         an unknown policy, or a wrong setting of one
    ├── EstimatorError (ValueError)      a wrong setting of an estimator, or nothing to fit it on
    ├── EmbedderError (ValueError)       an embedder that broke its protocol
    ├── QueryError (ValueError)          a query of a shape that is not understood
    │   └── NoTextError                  a query without text to route on
    ├── NoEvidenceError (ValueError)     nothing is known of any model that may answer
    ├── EvaluationError (ValueError)     outcomes that cannot be evaluated, or support no claim
    ├── RoutingTestsError (ValueError)   a routing_tests.yaml that cannot be used
    ├── UnknownModelError (LookupError)  a model name that is not in the pool
    ├── StoreError (ValueError)          a saved folder that cannot be used
    │   ├── MissingRouterError (also FileNotFoundError)  no saved router there
    │   ├── DamagedStoreError            a file is missing or its content changed
    │   ├── FormatVersionError           written by a newer knnrouter
    │   └── EmbedderMismatchError        its vectors come from another embedder
    └── MissingExtraError (ImportError)  an optional dependency is not installed

Messages say what was wrong, with the value; what was allowed; and what to do.

    PoolWarning (UserWarning)            a pool that works, but not as it was probably meant
    EvaluationWarning (UserWarning)      a figure that could not be had, or rows that were left out
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "DamagedStoreError",
    "EmbedderError",
    "EmbedderMismatchError",
    "EmptyPoolError",
    "EstimatorError",
    "EvaluationError",
    "EvaluationWarning",
    "FormatVersionError",
    "KnnRouterError",
    "MissingExtraError",
    "MissingRouterError",
    "NoEvidenceError",
    "NoTextError",
    "PolicyError",
    "PoolError",
    "PoolWarning",
    "QueryError",
    "RecordsError",
    "RoutingTestsError",
    "StoreError",
    "UnknownModelError",
    "UnpricedError",
]

SHOWN_PROBLEMS = 20
"""How many problems a message spells out; the rest are counted."""


class KnnRouterError(Exception):
    """The base of every error of this library."""

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes as what they are, whatever their constructors take."""
        return _made_again, (type(self), self.args), vars(self)


def _made_again(kind: type[KnnRouterError], args: tuple[object, ...]) -> KnnRouterError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class _ProblemsError(KnnRouterError, ValueError):
    """An error that reports everything wrong with an input at once.

    Attributes:
        problems: One sentence a problem, each with its place; all of them.
    """

    problems: tuple[str, ...]

    def __init__(self, problems: str | Sequence[str], *, heading: str = "") -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(_spell_out(self.problems, heading))


def _spell_out(problems: tuple[str, ...], heading: str) -> str:
    if len(problems) == 1 and not heading:
        return problems[0]
    lines = [heading or f"{len(problems)} problems:"]
    lines += [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"  … and {len(problems) - SHOWN_PROBLEMS} more ({len(problems)} in all)")
    return "\n".join(lines)


class RecordsError(_ProblemsError):
    """Benchmark outcomes that cannot be used: a bad file, row, column or value."""


class PoolError(_ProblemsError):
    """A pool.yaml, or a pool, that cannot be used."""


class EmptyPoolError(PoolError):
    """No model is left to choose from; the message names what removed each one."""


class UnpricedError(PoolError):
    """A policy needs the cost of a model that has neither a measured cost nor a price.

    Attributes:
        models: The names of the models without a cost.
    """

    models: tuple[str, ...]

    def __init__(self, models: Sequence[str], *, policy: str) -> None:
        self.models = tuple(models)
        super().__init__(
            f"policy `{policy}` weighs costs, but no cost is known for {', '.join(self.models)}; "
            "a model that has no price is not free: add `price` (and `expected_output_tokens`) to "
            "it in pool.yaml, or use a policy that needs no cost, such as `best_score`"
        )


class PolicyError(KnnRouterError, ValueError):
    """An unknown policy, or a wrong setting of one."""


class EstimatorError(KnnRouterError, ValueError):
    """A wrong setting of an estimator, or evidence that it cannot be fitted on."""


class EmbedderError(KnnRouterError, ValueError):
    """An embedder returned something else than finite unit rows of its stated dimension."""


class QueryError(KnnRouterError, ValueError):
    """A query of a shape that is not understood."""


class NoTextError(QueryError):
    """A query without any text to route on.

    Attributes:
        kind: `"image_only"` when the turn holds an image and no words, else `"empty"`.
    """

    kind: str

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class NoEvidenceError(KnnRouterError, ValueError):
    """The records say nothing of any model that may answer, and no default is set."""


class EvaluationError(_ProblemsError):
    """Outcomes that cannot be evaluated, or a goal that the data cannot support."""


class RoutingTestsError(_ProblemsError):
    """A routing_tests.yaml that cannot be used: what it says, or what it names."""


class UnknownModelError(KnnRouterError, LookupError):
    """A model name that is not in the pool."""


class StoreError(KnnRouterError, ValueError):
    """A saved folder that cannot be used."""


class MissingRouterError(StoreError, FileNotFoundError):
    """There is no saved router in that place."""


class DamagedStoreError(StoreError):
    """A file of a saved folder is missing, or is not what was written."""


class FormatVersionError(StoreError):
    """A saved folder was written in a newer format than this version reads."""


class EmbedderMismatchError(StoreError):
    """The vectors of a saved folder come from another embedder than the one at hand."""


class MissingExtraError(KnnRouterError, ImportError):
    """An optional dependency is not installed.

    Attributes:
        extra: The extra of `knnrouter` that brings it.
    """

    extra: str

    def __init__(self, what: str, *, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"{what} needs the extra `{extra}`; install it with: pip install 'knnrouter[{extra}]'"
        )


class PoolWarning(UserWarning):
    """A pool that works, but not as it was probably meant: a model that no vote can choose."""


class EvaluationWarning(UserWarning):
    """A figure that cannot be had and is NaN, or rows that were left out of an evaluation."""
