"""What one call, or one user, asks of the router: a model by name, a policy, other fields."""

from functools import partial

import pytest
from calling import BATCHES, ONE_CALL, WAYS
from chat_stubs import StubChat
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import ConfigurableField, RunnableLambda
from routed_chats import CODE, CODE_RANKING, POEM, pool_of, routed, stamp_of, stubs

from knnrouter import policies
from knnrouter.errors import EmptyPoolError, PolicyError, PoolError, UnknownModelError
from knnrouter.serving import Lazy

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

PRICED = pool_of(
    coder={"price": {"input": 100, "output": 100}, "expected_output_tokens": 1000},
    clerk={"price": {"input": 0, "output": 0}},
    poet={"price": {"input": 0, "output": 0}},
)


def _by_config(call, chat, text, **options):
    return call(chat, text, {"configurable": options})


CONFIGURABLE = [call for call in WAYS if "generate" not in call.__name__]


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_a_model_can_be_named(models, call):
    answer = call(routed(models), CODE, model="poet")
    stamp = stamp_of(answer)
    assert answer.text.rstrip() == f"poet: {CODE}"
    assert (stamp["model"], stamp["ranking"], stamp["reason_code"]) == ("poet", ["poet"], "forced")
    assert "model" not in models["poet"].seen[0]["arguments"]


@pytest.mark.parametrize("call", CONFIGURABLE, ids=lambda call: call.__name__)
def test_a_configuration_can_name_the_model(chat, call):
    assert stamp_of(_by_config(call, chat, CODE, knnrouter_model="poet"))["model"] == "poet"


def test_an_alias_names_it_too():
    pool = pool_of(poet={"aliases": ["poet-2"]})
    assert stamp_of(routed(pool=pool).invoke(CODE, model="poet-2"))["model"] == "poet"


def test_the_argument_goes_before_the_configuration(chat):
    config = {"configurable": {"knnrouter_model": "poet"}}
    assert stamp_of(chat.invoke(CODE, config, model="clerk"))["model"] == "clerk"


@pytest.mark.parametrize("call", ONE_CALL + BATCHES, ids=lambda call: call.__name__)
def test_an_unknown_name_is_an_error_that_lists_the_names(chat, models, call):
    with pytest.raises(
        UnknownModelError, match=r"no model 'poett'; its models are coder, clerk, poet"
    ):
        call(chat, CODE, model="poett")
    assert not any(model.seen for model in models.values())


def test_a_named_model_that_cannot_is_an_error():
    pool = pool_of(clerk={"capabilities": ["tools"]})
    given = [HumanMessage([{"type": "text", "text": CODE}, {"type": "image", "url": "x"}])]
    with pytest.raises(EmptyPoolError, match="poet: lacks the capability 'vision'"):
        routed(pool=pool).invoke(given, model="poet")


def test_nobody_stands_in_for_a_named_model():
    models = stubs(poet={"fails": TimeoutError("slow")})
    with pytest.raises(TimeoutError, match="slow"):
        routed(models).invoke(CODE, model="poet")
    assert [model.seen for model in (models["coder"], models["clerk"])] == [[], []]


def test_a_binding_can_name_the_model(chat):
    assert stamp_of(chat.bind(model="clerk").invoke(CODE))["model"] == "clerk"


@pytest.mark.parametrize(
    "policy", ["score_minus_cost:cost_weight=100", policies.ScoreMinusCost(cost_weight=100)]
)
def test_a_call_can_state_a_policy(policy):
    chat = routed(pool=PRICED)
    assert stamp_of(chat.invoke(CODE))["model"] == "coder"
    config = {"configurable": {"knnrouter_policy": policy}}
    stamp = stamp_of(chat.invoke(CODE, config))
    assert (stamp["model"], stamp["policy"]) == ("clerk", "score_minus_cost:cost_weight=100")


def test_the_router_can_be_made_with_a_policy():
    chat = routed(pool=PRICED, policy="score_minus_cost:cost_weight=100")
    assert stamp_of(chat.invoke(CODE))["model"] == "clerk"
    config = {"configurable": {"knnrouter_policy": "best_score"}}
    assert stamp_of(chat.invoke(CODE, config))["model"] == "coder"


@pytest.mark.parametrize("policy", ["best_scor", 7])
def test_a_wrong_policy_is_told_when_the_router_is_made(policy):
    with pytest.raises(PolicyError, match=f"policy .*{policy}"):
        routed(policy=policy)


def test_a_wrong_policy_of_a_call_is_an_error(chat):
    with pytest.raises(PolicyError, match="best_scor"):
        chat.invoke(CODE, {"configurable": {"knnrouter_policy": "best_scor"}})


def test_with_config_holds_for_each_call(chat):
    named = chat.with_config(configurable={"knnrouter_model": "poet"})
    assert stamp_of(named.invoke(CODE))["model"] == "poet"
    assert [stamp_of(each)["model"] for each in named.batch([CODE, POEM])] == ["poet", "poet"]


def test_the_configuration_of_a_chain_reaches_the_router(chat):
    chain = RunnableLambda(lambda text: chat.invoke(text))
    config = {"configurable": {"knnrouter_model": "poet"}}
    assert stamp_of(chain.invoke(CODE, config))["model"] == "poet"
    generated = RunnableLambda(lambda text: chat.generate([[HumanMessage(text)]]))
    message = generated.invoke(CODE, config).generations[0][0].message
    assert stamp_of(message)["model"] == "poet"


def test_what_a_call_may_set_is_listed(chat):
    assert [(spec.id, bool(spec.description)) for spec in chat.config_specs] == [
        ("knnrouter_model", True),
        ("knnrouter_policy", True),
        ("knnrouter_allow", True),
        ("knnrouter_require", True),
        ("knnrouter_tags", True),
    ]


def test_fields_can_be_made_configurable():
    chat = routed(pool=PRICED).configurable_fields(
        policy=ConfigurableField(id="how"), allow=ConfigurableField(id="who")
    )
    assert stamp_of(chat.invoke(CODE))["model"] == "coder"
    dear = {"configurable": {"how": "score_minus_cost:cost_weight=100"}}
    assert stamp_of(chat.invoke(CODE, dear))["model"] == "clerk"
    narrow = {"configurable": {"who": ("poet",)}}
    assert stamp_of(chat.invoke(CODE, narrow))["ranking"] == ["poet"]
    stamps = [stamp_of(answer) for answer in chat.batch([CODE, CODE], [dear, {}])]
    assert [stamp["model"] for stamp in stamps] == ["clerk", "coder"]


def test_alternatives_can_be_configured(chat):
    either = chat.configurable_alternatives(
        ConfigurableField(id="llm"), default_key="routed", plain=StubChat(model="plain")
    )
    assert stamp_of(either.invoke(CODE))["model"] == "coder"
    plain = either.invoke(CODE, {"configurable": {"llm": "plain"}})
    assert plain.text == f"plain: {CODE}"


def test_a_policy_that_keeps_to_a_turn_is_not_changed_within_it():
    """A tool loop goes on with its model, also where its next call states another policy."""
    chat = routed(pool=PRICED)
    first = chat.invoke([HumanMessage(CODE)])
    config = {"configurable": {"knnrouter_policy": "score_minus_cost:cost_weight=100"}}
    again = chat.invoke([HumanMessage(CODE), first, AIMessage("go on")][:2], config)
    assert stamp_of(again)["id"] == stamp_of(first)["id"]
    assert stamp_of(again)["ranking"] == [*CODE_RANKING]


def test_one_name_or_type_may_stand_alone():
    chat = routed(allow="poet", fallback_on=TimeoutError)
    assert (chat.allow, chat.fallback_on) == (("poet",), (TimeoutError,))
    assert stamp_of(chat.invoke(CODE))["model"] == "poet"


def test_a_misspelled_field_is_told():
    with pytest.raises(TypeError, match=r"no field stiky \(did you mean sticky\?\)"):
        routed(stiky="call")


def test_misspelled_options_are_told():
    config = {"configurable": {"knnrouter_polcy": "best_score", "knnrouter_modl": "poet"}}
    with pytest.raises(TypeError) as error:
        routed().invoke(CODE, config)
    assert str(error.value) == (
        "unknown options: knnrouter_polcy, knnrouter_modl; the options are knnrouter_model, "
        "knnrouter_policy, knnrouter_allow, knnrouter_require, knnrouter_tags: correct the "
        "name, or leave it out"
    )


def test_warming_up_tells_all_clients_that_cannot_be_built():
    def broken(name):
        raise PoolError(f"models[{name}]: no key")

    models = {name: Lazy(partial(broken, name)) for name in ("coder", "poet")}
    with pytest.raises(PoolError) as error:
        routed({**stubs(), **models}).warmup()
    assert error.value.problems == ("models[coder]: no key", "models[poet]: no key")


def test_what_looks_like_a_batchs_decision_and_is_none_is_passed_over():
    config = {"configurable": {"__knnrouter_planned__": {"model": "poet"}}}
    assert stamp_of(routed().invoke(CODE, config))["model"] == "coder"
