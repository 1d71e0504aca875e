import builtins
import inspect
import pickle  # what worker processes do to errors
import re

import pytest

from knnrouter import errors


def drawn():
    """The tree of the docstring: each class, its parent, and the built-in class beside it."""
    lines = (errors.__doc__ or "").splitlines()
    tree, above = {}, []
    for line in lines:
        found = re.match(r"^    ([│├└─ ]*)(\w+(?:Error|Warning))(?: \((?:also )?(\w+)\))?", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        del above[depth:]
        tree[found[2]] = (above[-1] if above else None, found[3])
        above.append(found[2])
    return tree


def public():
    return {name: getattr(errors, name) for name in errors.__all__}


def test_the_tree_in_the_docstring_is_the_real_one():
    tree = drawn()
    assert set(tree) == set(errors.__all__)
    for name, (parent, builtin) in tree.items():
        kind = public()[name]
        if parent is not None:
            assert issubclass(kind, public()[parent]), name
        if builtin is not None:
            assert issubclass(kind, getattr(builtins, builtin)), name
        near = {base.__name__ for base in kind.__mro__[1:] if base.__name__ in tree}
        drawn_above = set()
        while parent is not None:
            drawn_above.add(parent)
            parent = tree[parent][0]
        assert near == drawn_above, name


def test_every_class_of_the_module_is_public():
    kinds = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception) and not name.startswith("_")
    }
    assert kinds == set(errors.__all__)
    assert list(errors.__all__) == sorted(errors.__all__)
    for name, kind in public().items():
        assert kind.__doc__, name


def test_one_base_catches_all():
    for name, kind in public().items():
        base = UserWarning if name.endswith("Warning") else errors.KnnRouterError
        assert issubclass(kind, base), name


LISTING = pytest.mark.parametrize(
    "kind",
    [errors.RecordsError, errors.PoolError, errors.EvaluationError, errors.RoutingTestsError],
)


@LISTING
def test_one_problem_is_the_message(kind):
    error = kind("score is 7; give [0, 1]")
    assert str(error) == "score is 7; give [0, 1]"
    assert error.problems == ("score is 7; give [0, 1]",)
    assert str(kind(["only one"])) == "only one"


@LISTING
def test_several_problems_are_all_listed(kind):
    error = kind(["one", "two"])
    assert str(error) == "2 problems:\n  one\n  two"
    assert error.problems == ("one", "two")
    assert str(kind(["one"], heading="pool.yaml:")) == "pool.yaml:\n  one"


@LISTING
def test_of_many_the_first_twenty_are_shown_and_all_are_kept(kind):
    problems = [f"row {number}" for number in range(23)]
    error = kind(problems)
    lines = str(error).splitlines()
    assert lines[0] == "23 problems:"
    assert lines[1:21] == [f"  row {number}" for number in range(20)]
    assert lines[21:] == ["  … and 3 more (23 in all)"]
    assert error.problems == tuple(problems)
    assert "more" not in str(kind(problems[:20]))


def test_what_errors_tell_beside_their_message():
    unpriced = errors.UnpricedError(["a", "b"], policy="score_minus_cost")
    assert unpriced.models == ("a", "b")
    assert "policy `score_minus_cost` weighs costs, but no cost is known for a, b;" in str(unpriced)
    textless = errors.NoTextError("image_only", "only an image")
    assert (textless.kind, str(textless)) == ("image_only", "only an image")
    extra = errors.MissingExtraError("A transformer", extra="sentence-transformers")
    assert extra.extra == "sentence-transformers"
    assert str(extra) == (
        "A transformer needs the extra `sentence-transformers`; install it with: "
        "pip install 'knnrouter[sentence-transformers]'"
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.RecordsError(["one", "two"], heading="file.csv"),
        errors.UnpricedError(["a"], policy="p"),
        errors.NoTextError("empty", "no text"),
        errors.MissingExtraError("It", extra="all"),
        errors.DamagedStoreError("gone"),
    ],
)
def test_errors_cross_to_other_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
