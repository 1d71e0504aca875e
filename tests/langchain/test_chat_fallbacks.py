"""A model that fails is followed by the next ranked; a routing that fails, by the default."""

import asyncio
import dataclasses
import logging

import pytest
from calling import ONE_CALL, WAYS
from chat_stubs import StubChat
from langchain_core.messages import HumanMessage
from langgraph.errors import GraphInterrupt
from routed_chats import CODE, CODE_RANKING, NAMES, evidence, pool_of, routed, stamp_of, stubs

from knnrouter.errors import NoTextError, PoolError
from langchain_llmrouter import ChatKNNRouter

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

SECRET = "the launch code is 0000"


def _failing(*names, error=TimeoutError):
    return stubs(**{name: {"fails": error(f"{name}: {SECRET}")} for name in names})


def _asked(models):
    return [name for name, model in models.items() if model.seen]


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_the_next_of_the_ranking_answers(call):
    models = _failing("coder", "clerk")
    stamp = stamp_of(call(routed(models), CODE))
    assert stamp["failed"] == [
        {"model": "coder", "error": "TimeoutError"},
        {"model": "clerk", "error": "TimeoutError"},
    ]
    assert (stamp["model"], stamp["answered_by"], stamp["fallback"]) == ("poet", "poet", True)
    assert (stamp["reason_code"], stamp["ranking"]) == ("model_failed", ["poet", "coder", "clerk"])
    assert stamp["reason"] == (
        "coder (TimeoutError), clerk (TimeoutError) failed; poet is the next of the ranking"
    )
    assert SECRET not in str(stamp)
    alone = evidence().route(CODE).summary()["scores"]  # a batch may differ in the last digits
    assert stamp["scores"] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(
    ("fallbacks", "asked"),
    [("auto", [*CODE_RANKING]), (["poet"], ["coder", "poet"]), ([], ["coder"]),
     (["poet", "coder", "clerk"], ["coder", "clerk", "poet"])],
)  # fmt: skip
def test_the_pool_names_who_stands_in(fallbacks, asked):
    models = _failing(*NAMES)
    pool = pool_of(router={"fallbacks": fallbacks})
    with pytest.raises(TimeoutError):
        routed(models, pool=pool).invoke(CODE)
    assert _asked(models) == sorted(asked, key=NAMES.index)


def test_a_listed_order_goes_before_the_ranking():
    pool = pool_of(router={"fallbacks": ["poet", "clerk"]})
    assert stamp_of(routed(_failing("coder"), pool=pool).invoke(CODE))["answered_by"] == "poet"


def test_a_listed_model_that_may_not_answer_is_passed_over():
    pool = pool_of(router={"fallbacks": ["poet", "clerk"]}, poet={"context_window": 5})
    assert stamp_of(routed(_failing("coder"), pool=pool).invoke(CODE))["answered_by"] == "clerk"


def test_if_all_fail_the_last_error_is_raised():
    with pytest.raises(TimeoutError, match="poet"):
        routed(_failing(*NAMES)).invoke(CODE)


def test_only_errors_of_the_stated_types_let_others_answer():
    chat = routed(_failing("coder", error=ValueError), fallback_on=(TimeoutError,))
    with pytest.raises(ValueError, match="coder"):
        chat.invoke(CODE)
    chat = routed(_failing("coder"), fallback_on=(TimeoutError,))
    assert stamp_of(chat.invoke(CODE))["answered_by"] == "clerk"


@pytest.mark.parametrize("call", ONE_CALL, ids=lambda call: call.__name__)
def test_mistakes_in_the_setting_let_nobody_answer(call):
    models = _failing("coder", error=PoolError)
    with pytest.raises(PoolError):
        call(routed(models), CODE)
    assert _asked(models) == ["coder"]


def test_interrupts_of_a_graph_pass_through():
    models = stubs(coder={"fails": GraphInterrupt()})
    with pytest.raises(GraphInterrupt):
        routed(models).invoke(CODE)
    assert _asked(models) == ["coder"]


async def test_cancellation_passes_through():
    class Waiting(StubChat):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            self.seen.append(messages)
            await asyncio.sleep(30)

    models = stubs(Waiting)
    task = asyncio.create_task(routed(models).ainvoke(CODE))
    while not models["coder"].seen:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _asked(models) == ["coder"]


def test_a_failing_model_is_logged_without_the_prompt(caplog):
    with caplog.at_level(logging.DEBUG):
        routed(_failing("coder")).invoke(f"{CODE} {SECRET}")
    (record,) = (each for each in caplog.records if each.name.startswith("knnrouter"))
    assert record.levelno == logging.WARNING
    assert (
        record.getMessage() == "coder failed (TimeoutError); the next model in the ranking is asked"
    )
    assert SECRET not in caplog.text


# Where routing fails.


class _Down:
    """An embedder whose service is down."""

    id, dim = evidence().embedder.id, evidence().embedder.dim

    def embed(self, texts):
        raise ConnectionError(f"cannot embed {texts}")


def _unroutable(**router):
    made = dataclasses.replace(evidence(), embedder=_Down()).with_pool(pool_of(router=router))
    return ChatKNNRouter(router=made, models=stubs())


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_where_routing_fails_the_default_answers(call, caplog):
    stamp = stamp_of(call(_unroutable(default="clerk"), f"{CODE} {SECRET}"))
    assert (stamp["model"], stamp["reason_code"], stamp["policy"]) == (
        "clerk", "routing_failed", "default",
    )  # fmt: skip
    assert (stamp["fallback"], stamp["ranking"]) == (True, ["clerk", "coder", "poet"])
    assert stamp["scores"] == dict.fromkeys(("clerk", "coder", "poet"))
    records = [each for each in caplog.records if each.name == "knnrouter.serving.deciding"]
    assert {each.getMessage() for each in records} == {
        "routing failed (ConnectionError); clerk answers"
    }
    assert {each.levelno for each in records} == {logging.WARNING}
    assert SECRET not in caplog.text


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_without_a_default_the_error_is_raised(call):
    with pytest.raises(ConnectionError):
        call(_unroutable(), CODE)


def test_the_default_has_stand_ins_too():
    chat = _unroutable(default="clerk")
    chat.models["clerk"].fails = TimeoutError()
    assert stamp_of(chat.invoke(CODE))["answered_by"] == "coder"


def test_a_prompt_without_text_is_answered_by_the_default():
    given = [HumanMessage("")]
    pool = pool_of(router={"default": "poet"})
    assert stamp_of(routed(pool=pool).invoke(given))["answered_by"] == "poet"
    with pytest.raises(NoTextError):
        routed().invoke(given)
