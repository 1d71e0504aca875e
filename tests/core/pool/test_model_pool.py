"""The values of a pool: what they hold, what they refuse, and who a name belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knnrouter.errors import PoolError, UnknownModelError
from knnrouter.pool import ModelPool, ModelSpec, Price, RouterSettings
from knnrouter.pool.fields import PriceKeys


def problems(make):
    with pytest.raises(PoolError) as caught:
        make()
    return caught.value.problems


# One model


def test_a_name_is_enough():
    spec = ModelSpec(name="a")
    assert (spec.name, spec.model, spec.enabled) == ("a", "a", True)
    assert (spec.price, spec.context_window, spec.capabilities) == (None, None, ())


def test_a_model_is_enough():
    assert ModelSpec(model="qwen3:8b").name == "qwen3:8b"
    assert ModelSpec(name="local", model="qwen3:8b").name == "local"


def test_a_price_is_a_price_or_its_keys():
    assert ModelSpec(name="a", price=Price(1, 2)).price == Price(1.0, 2.0)
    assert ModelSpec(name="a", price={"input": 1e-6, "output": 0}).price == Price(1e-6, 0.0)
    assert ModelSpec(name="a", price=Price(1, 2, 0.5)).price.cached_input == 0.5


def test_lists_of_names_are_kept_as_tuples_each_name_once():
    spec = ModelSpec(name="a", aliases=["b", "c", "b"], tags=("eu",), capabilities=["tools"])
    assert (spec.aliases, spec.tags, spec.capabilities) == (("b", "c"), ("eu",), ("tools",))


def test_values_are_frozen_and_leave_their_arguments_alone():
    params = {"temperature": 0}
    spec = ModelSpec(name="a", params=params)
    params["temperature"] = 1
    assert spec.params == {"temperature": 0}
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "b"


def test_what_may_hold_a_secret_is_not_shown():
    spec = ModelSpec(name="a", params={"api_key": "hunter2"}, base_url="https://me:hunter2@x")
    assert "hunter2" not in repr(spec) + str(spec)
    pool = ModelPool(models=[spec])
    assert "hunter2" not in repr(pool) + str(pool)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "name: missing; give the model a name, or a model"),
        ({"name": ""}, "name: missing"),
        ({"name": " a"}, "name: text is wanted that is not empty, on one line"),
        ({"name": "a\nb"}, "name: text is wanted that is not empty, on one line"),
        ({"name": True}, "name: text is wanted, not True"),
        ({"name": 3}, "name: text is wanted, not 3"),
        ({"name": "a", "pric": 1}, "pric: unknown key; did you mean price?"),
        ({"name": "a", "zzz": 1}, "zzz: unknown key; known keys are name, provider, model"),
        ({"name": "a", "api_key": "hunter2"}, "api_key: unknown key; a key has no place here"),
        ({"name": "a", "price": 3}, "price: a mapping is wanted, not 3"),
        ({"name": "a", "price": {"input": 1}}, "price.output: missing; cost is never input alone"),
        ({"name": "a", "price": {"output": 1}}, "price.input: missing; cost is never input alone"),
        (
            {"name": "a", "price": {"input": -1, "output": 1}},
            "price.input: a number greater than or equal to 0 is wanted, not -1",
        ),
        (
            {"name": "a", "price": {"input": float("nan"), "output": 1}},
            "price.input: a finite number is wanted, not nan",
        ),
        (
            {"name": "a", "price": {"input": float("inf"), "output": 1}},
            "price.input: a finite number is wanted, not inf",
        ),
        (
            {"name": "a", "price": {"input": True, "output": 1}},
            "price.input: a number is wanted, not True",
        ),
        (
            {"name": "a", "price": {"input": 1, "output": 1, "outptu": 1}},
            "price.outptu: unknown key; did you mean output?",
        ),
        ({"name": "a", "context_window": 0}, "context_window: a number greater than 0 is wanted"),
        ({"name": "a", "context_window": 1.5}, "context_window: a whole number is wanted, not 1.5"),
        ({"name": "a", "context_window": "9"}, "context_window: a whole number is wanted, not '9'"),
        ({"name": "a", "max_output_tokens": -1}, "max_output_tokens: a number greater than 0"),
        ({"name": "a", "expected_output_tokens": -1}, "expected_output_tokens: a number greater"),
        ({"name": "a", "aliases": "b"}, "aliases: a list is wanted, such as [a, b], not 'b'"),
        ({"name": "a", "aliases": ["b", 4]}, "aliases[1]: text is wanted, not 4"),
        ({"name": "a", "params": []}, "params: a mapping is wanted, not a list"),
        ({"name": "a", "enabled": "yes"}, "enabled: true or false is wanted, not 'yes'"),
        (
            {"name": "a", "api_key_env": "hunter2!"},
            "api_key_env: the name of an environment variable is wanted, such as OPENAI_API_KEY, "
            "not the key itself",
        ),
    ],
)
def test_a_wrong_model_is_refused_in_words(values, problem):
    found = problems(lambda: ModelSpec(**values))
    assert len(found) == 1
    assert found[0].startswith(f"ModelSpec: {problem}")
    assert "hunter2" not in found[0]


def test_everything_wrong_with_a_model_is_told_at_once():
    assert len(problems(lambda: ModelSpec(name=3, pric=1, price={"input": 1}, enabled=2))) == 4


# Settings


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"policy": 5}, "policy: text such as score_minus_cost:cost_weight=20, or a mapping"),
        ({"policy": {"cost_weight": 20}}, "policy: a policy has a `kind`"),
        ({"sticky": "forever"}, "sticky: call, turn or thread is wanted, not 'forever'"),
        ({"fallbacks": "some"}, "fallbacks: auto or a list of names is wanted, not 'some'"),
        ({"fallbacks": ["a", 3]}, "fallbacks[1]: text is wanted, not 3"),
        ({"min_similarity": 1.5}, "min_similarity: a number less than or equal to 1 is wanted"),
        ({"min_similarity": float("nan")}, "min_similarity: "),
        ({"min_similarity": "0.3"}, "min_similarity: a number is wanted, not '0.3'"),
        ({"defualt": "a"}, "defualt: unknown key; did you mean default?"),
    ],
)
def test_wrong_settings_are_refused_in_words(values, problem):
    found = problems(lambda: RouterSettings(**values))
    assert len(found) == 1
    assert found[0].startswith(f"RouterSettings: {problem}")


def test_settings_are_kept_as_written():
    settings = RouterSettings(policy={"kind": "guarded", "min_similarity": 0.3}, fallbacks=["a"])
    assert settings.policy == {"kind": "guarded", "min_similarity": 0.3}
    assert settings.fallbacks == ("a",)
    assert RouterSettings() == RouterSettings(fallbacks="auto", sticky="turn")


# The pool


A, B = ModelSpec(name="a", aliases=["x"]), ModelSpec(name="b", enabled=False)


def test_names_come_in_order_with_or_without_the_disabled():
    pool = ModelPool(models=[A, B])
    assert (pool.names, pool.enabled_names, pool.enabled) == (("a", "b"), ("a",), (A,))


def test_a_model_is_found_by_name_or_alias():
    pool = ModelPool(models=[A, B])
    assert pool.spec("a") == pool.spec("x") == A
    assert pool.spec("b") == B


@pytest.mark.parametrize("name", ["smal", "", None, [], 3])
def test_an_unknown_model_is_named_with_what_there_is(name):
    pool = ModelPool.from_prices({"small": Price(1, 2), "big": Price(3, 4)})
    with pytest.raises(UnknownModelError, match="its models are small, big") as caught:
        pool.spec(name)
    assert ("did you mean small?" in str(caught.value)) == (name == "smal")


@pytest.mark.parametrize(
    ("models", "router", "found"),
    [
        ([], {}, ["models: there is no model; list at least one"]),
        ([{"name": "a"}, {"name": "a"}], {}, ["models[1].name: two models have the name 'a'"]),
        (
            [{"name": "a", "aliases": ["x"]}, {"name": "b", "aliases": ["x"]}],
            {},
            ["models[1].aliases: two models have the alias 'x', 'a' and 'b'"],
        ),
        (
            [{"name": "a", "aliases": ["b"]}, {"name": "b"}],
            {},
            ["models[0].aliases: 'b' is an alias here and the name of another model"],
        ),
        (
            [{"name": "a"}, {"name": "b", "aliases": ["a"]}],
            {},
            ["models[1].aliases: 'a' is an alias here and the name of another model"],
        ),
        (
            [{"name": "a"}],
            {"default": "z"},
            ["router.default: the pool has no model 'z'; its models are a"],
        ),
        (
            [{"name": "a", "aliases": ["z"]}],
            {"default": "z"},
            ["router.default: the pool has no model 'z'; its models are a; it is an alias of a"],
        ),
        (
            [{"name": "a"}, {"name": "b", "enabled": False}],
            {"default": "b", "fallbacks": ["a", "b", "c"]},
            [
                "router.default: the model 'b' is not enabled",
                "router.fallbacks[1]: the model 'b' is not enabled",
                "router.fallbacks[2]: the pool has no model 'c'",
            ],
        ),
    ],
)
def test_models_that_do_not_go_together_are_refused(models, router, found):
    said = problems(lambda: ModelPool(models=models, router=router))
    assert len(said) == len(found)
    assert all(
        text.startswith(f"ModelPool: {start}") for text, start in zip(said, found, strict=True)
    )


def test_an_own_alias_may_repeat_the_own_name_or_model():
    spec = ModelSpec(name="a", model="m", aliases=["a", "m"])
    assert ModelPool(models=[spec]).spec("a") == spec


def test_two_models_may_share_what_the_provider_calls_them():
    pool = ModelPool(models=[ModelSpec(name="a", model="m"), ModelSpec(name="b", model="m")])
    assert pool.names == ("a", "b")


@pytest.mark.parametrize("version", [0, 2, "1", 1.5, None])
def test_another_version_is_refused(version):
    (said,) = problems(lambda: ModelPool(models=[A], version=version))
    assert "this knnrouter reads version 1" in said


def test_the_index_lies_beside_the_file():
    pool = ModelPool(models=[A], router=RouterSettings(index="./router"))
    assert pool.path is None
    assert pool.index_path == Path("router")
    moved = pool.at(Path("/etc/pools/pool.yaml"))
    assert moved.index_path == Path("/etc/pools/router")
    assert pool.path is None  # the old one is as it was
    assert ModelPool(models=[A]).index_path is None


def test_an_absolute_index_stays_where_it_is():
    pool = ModelPool(models=[A], router=RouterSettings(index="/data/router"))
    assert pool.at(Path("/etc/pool.yaml")).index_path == Path("/data/router")


def test_an_index_that_must_be_stated():
    pool = ModelPool(models=[A], router=RouterSettings(index="./router"))
    assert pool.stated_index_path() == Path("router")
    there = pool.at(Path("/etc/pools/pool.yaml"))
    assert there.stated_index_path() == Path("/etc/pools/router")
    bare = ModelPool(models=[A])
    told = (
        "{}: router.index is not set; name the folder that `knnrouter build` wrote, relative to "
        "this file"
    )
    assert problems(bare.stated_index_path) == (told.format("the pool"),)
    moved = bare.at(Path("/etc/pools/pool.yaml"))
    assert problems(moved.stated_index_path) == (told.format("/etc/pools/pool.yaml"),)


def test_the_schema_describes_every_key():
    schema = ModelPool.json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert {part["title"] for part in parts} == {
        "ModelPool",
        "ModelSpec",
        "RouterSettings",
        "Price",
    }
    for part in parts:
        assert part["additionalProperties"] is False
        assert all(key["description"] for key in part["properties"].values())
    model = schema["$defs"]["ModelSpec"]
    assert model["anyOf"] == [{"required": ["name"]}, {"required": ["model"]}]
    assert set(model["properties"]) == set(ModelSpec.model_fields)
    assert json.loads(json.dumps(schema)) == schema


# The reference page


PAGE = Path(__file__).parents[3] / "docs" / "reference" / "pool-yaml.md"


@pytest.mark.parametrize("model", [ModelPool, RouterSettings, ModelSpec, PriceKeys])
def test_the_reference_lists_every_key(model):
    lines = PAGE.read_text("utf-8").splitlines()
    rows = [line.split("|")[1].strip() for line in lines if "|" in line]
    assert all(f"`{key}`" in rows for key in model.model_fields)


def test_the_example_of_the_reference_is_a_pool_with_every_key():
    text = PAGE.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    first = ModelPool.from_text(text).models[0]
    assert first.name == "small"
    assert all(f" {key}: " in text for key in ModelSpec.model_fields)
    assert all(f" {key}: " in text for key in RouterSettings.model_fields)
