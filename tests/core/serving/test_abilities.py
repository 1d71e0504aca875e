"""What a pool leaves open, filled in."""

from knnrouter import ModelPool, ModelSpec
from knnrouter.serving import completed


def made(*specs, window=None):
    pool = completed(
        ModelPool(models=list(specs)),
        capabilities=lambda spec: (f"can-{spec.name}",),
        context_window=lambda spec: window,
    )
    return {spec.name: (spec.capabilities, spec.context_window) for spec in pool.models}


def test_where_none_lists_capabilities_each_is_asked():
    assert made(ModelSpec(name="a"), ModelSpec(name="b")) == {
        "a": (("can-a",), None),
        "b": (("can-b",), None),
    }


def test_where_one_lists_any_the_lists_hold_for_all():
    listed = ModelSpec(name="a", capabilities=["tools"])
    assert made(listed, ModelSpec(name="b")) == {"a": (("tools",), None), "b": ((), None)}


def test_an_empty_list_is_a_list():
    assert made(ModelSpec(name="a", capabilities=[]))["a"] == ((), None)


def test_only_windows_that_are_not_stated_are_filled_in():
    stated = ModelSpec(name="a", context_window=10)
    assert [window for _, window in made(stated, ModelSpec(name="b"), window=7).values()] == [10, 7]


def test_the_place_of_the_file_and_the_settings_stay(tmp_path):
    pool = ModelPool.from_text("router: {default: a}\nmodels: [{name: a, tags: [eu]}]")
    pool = pool.at(tmp_path / "pool.yaml")
    filled = completed(pool, capabilities=lambda spec: (), context_window=lambda spec: None)
    assert (filled.path, filled.router, filled.spec("a").tags) == (
        pool.path,
        pool.router,
        ("eu",),
    )
