"""Mistakes in the fields of the chat model are told when it is made."""

import pytest
from chat_stubs import StubChat
from langchain_core.caches import InMemoryCache
from langchain_core.rate_limiters import InMemoryRateLimiter
from pydantic import ValidationError
from routed_chats import CODE, NAMES, POEM, evidence, pool_of, routed, stamp_of, stubs

from knnrouter.errors import UnknownModelError
from langchain_llmrouter import ChatKNNRouter

SECRET = "sk-plain-secret"


class Leaky(StubChat):
    """Shows its key wherever it is printed."""

    def __repr__(self):
        return SECRET

    __str__ = __repr__


def test_a_missing_router_is_named():
    with pytest.raises(ValidationError, match=r"router\s+Field required"):
        ChatKNNRouter(models={"small": StubChat()})


def test_missing_models_are_named():
    with pytest.raises(ValidationError, match=r"models\s+Field required"):
        ChatKNNRouter(router=evidence())


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({}, "models is an empty dict; give a mapping"),
        ([Leaky()], "models is a list; give a mapping"),
        (None, "models is a NoneType; give a mapping"),
        (
            {**stubs(), "poet": Leaky().bind(stop=["x"])},
            "models['poet'] is of type _ChatModelBinding",
        ),
        ({**stubs(), "poet": SECRET}, "models['poet'] is of type str"),
    ],
)
def test_models_that_are_none_are_told_without_what_they_hold(models, told):
    with pytest.raises(TypeError) as error:
        ChatKNNRouter(router=evidence(), models=models)
    assert told in str(error.value)
    assert SECRET not in str(error.value)


def test_a_router_that_is_none_is_told_without_what_it_holds():
    with pytest.raises(TypeError) as error:
        ChatKNNRouter(router=Leaky(), models=stubs())
    assert str(error.value) == (
        "router is a Leaky; give a knnrouter.Router, or use from_yaml(path) for a pool.yaml"
    )


def test_all_wrong_names_are_told_at_once():
    pool = pool_of(coder={"aliases": ["c"]})
    models = {"coder": StubChat(), "c": StubChat(), "poett": StubChat()}
    with pytest.raises(UnknownModelError) as error:
        routed(models, pool=pool)
    for part in (
        "models['c'] is coder again; give each model once",
        "models['poett']: the pool has no model 'poett'",
        "did you mean poet",
        "models has nothing for clerk, poet, which the pool may choose",
    ):
        assert part in str(error.value)


def test_models_may_be_given_by_alias():
    pool = pool_of(coder={"aliases": ["c"]})
    models = {"poet": StubChat(model="p"), "c": StubChat(model="c"), "clerk": StubChat(model="k")}
    chat = routed(models, pool=pool)
    assert list(chat.models) == [*NAMES]
    assert stamp_of(chat.invoke(CODE))["answered_by"] == "coder"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cache", InMemoryCache()),
        ("cache", True),
        ("rate_limiter", InMemoryRateLimiter()),
        ("disable_streaming", True),
        ("disable_streaming", "tool_calling"),
        ("custom_get_token_ids", str.split),
    ],
)
def test_what_belongs_to_the_models_is_refused(field, value):
    with pytest.raises(
        ValidationError, match=f"{field} is set on the router, where it has no effect"
    ):
        routed(**{field: value})


def test_all_that_belongs_to_the_models_is_told_at_once():
    with pytest.raises(ValidationError) as error:
        routed(cache=True, disable_streaming=True)
    (told,) = error.value.errors()
    assert told["msg"] == (
        "Value error, cache is set on the router, where it has no effect; set it on the models; "
        "disable_streaming is set on the router, where it has no effect; set it on the models, "
        "which know whether they stream"
    )


def test_arguments_of_other_chat_models_are_passed_over():
    chat = routed(temperature=0, max_tokens=7, timeout=60, api_key="x", streaming=True)
    assert chat.invoke(CODE).text == f"coder: {CODE}"
    assert "x" not in vars(chat).values()


def test_several_mistakes_are_told_at_once():
    with pytest.raises(ValidationError) as error:
        routed(sticky="always", fallback_on=("TimeoutError",))
    assert {each["loc"][0] for each in error.value.errors()} == {"sticky", "fallback_on"}


def test_a_field_that_is_changed_holds_from_then_on():
    chat = routed()
    history = [("user", CODE), ("assistant", "Done."), ("user", POEM)]
    assert stamp_of(chat.invoke(history))["model"] == "poet"
    chat.sticky = "thread"
    assert stamp_of(chat.invoke(history))["model"] == "coder"
    chat.allow = ("clerk",)
    assert stamp_of(chat.invoke(history))["model"] == "clerk"
