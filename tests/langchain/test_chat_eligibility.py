"""Models that cannot read a prompt never get it; where none can, the error says why."""

import pytest
from calling import WAYS
from chat_stubs import StubChat
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from routed_chats import CODE, CODE_RANKING, NAMES, POEM, evidence, pool_of, routed, stamp_of, stubs

from knnrouter.errors import EmptyPoolError, NoTextError
from langchain_llmrouter import ChatKNNRouter

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

IMAGE = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
SEEING = pool_of(clerk={"capabilities": ["vision"]})
WITH_IMAGE = [HumanMessage([{"type": "text", "text": CODE}, IMAGE])]


def _ranking(answer):
    return stamp_of(answer)["ranking"]


@pytest.mark.parametrize("how", ["invoke", "batch", "stream"])
def test_an_image_never_reaches_a_model_without_vision(how):
    models = stubs()
    chat = routed(models, pool=SEEING)
    if how == "invoke":
        answer = chat.invoke(WITH_IMAGE)
    elif how == "batch":
        plain, answer = chat.batch([[HumanMessage(CODE)], WITH_IMAGE])
        assert _ranking(plain) == [*CODE_RANKING]
    else:
        answer = next(iter(chat.stream(WITH_IMAGE)))
    assert _ranking(answer) == ["clerk"]
    for name in ("coder", "poet"):
        assert all(call["messages"] != WITH_IMAGE for call in models[name].seen)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
        IMAGE,
    ],
)
def test_images_of_all_forms_count(block):
    given = [HumanMessage([{"type": "text", "text": CODE}, block])]
    assert _ranking(routed(pool=SEEING).invoke(given)) == ["clerk"]


def test_an_image_of_an_earlier_turn_or_of_a_tool_counts():
    earlier = [*WITH_IMAGE, AIMessage("A list."), HumanMessage(CODE)]
    seen = [
        HumanMessage(CODE),
        AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}]),
        ToolMessage([IMAGE], tool_call_id="1"),
    ]
    both = pool_of(clerk={"capabilities": ["vision", "tools"]}, poet={"capabilities": ["tools"]})
    for given in (earlier, seen):
        assert _ranking(routed(pool=both).invoke(given)) == ["clerk"]


def test_where_nobody_sees_the_error_says_so():
    pool = pool_of(coder={"capabilities": ["tools"]})
    with pytest.raises(EmptyPoolError) as error:
        routed(pool=pool).invoke(WITH_IMAGE)
    assert error.value.problems == tuple(f"{name}: lacks the capability 'vision'" for name in NAMES)


def test_an_image_alone_is_answered_by_the_default_that_sees():
    pool = pool_of(
        router={"default": "clerk"},
        clerk={"capabilities": ["vision"]},
        poet={"capabilities": ["vision"]},
    )
    stamp = stamp_of(routed(pool=pool).invoke([HumanMessage([IMAGE])]))
    assert (stamp["answered_by"], stamp["fallback"]) == ("clerk", True)


def test_an_image_alone_without_a_default_is_an_error():
    with pytest.raises(NoTextError, match="only an image"):
        routed(pool=SEEING).invoke([HumanMessage([IMAGE])])


# Context windows.

SMALL = pool_of(coder={"context_window": 100}, poet={"context_window": 1000})


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_a_prompt_over_the_window_never_reaches_the_model(call):
    models = stubs()
    answer = call(routed(models, pool=SMALL), f"{CODE} {'x' * 200}")
    assert _ranking(answer) == ["clerk", "poet"]
    assert models["coder"].seen == []


def test_without_a_counter_two_bytes_are_a_token():
    chat = routed(pool=SMALL)
    assert "coder" in _ranking(chat.invoke("a" * 200))
    assert "coder" not in _ranking(chat.invoke("a" * 201))


def test_all_of_the_prompt_counts_and_not_only_what_is_routed():
    given = [SystemMessage("s" * 150), HumanMessage(CODE), AIMessage("a" * 50), HumanMessage(CODE)]
    assert "coder" not in _ranking(routed(pool=SMALL).invoke(given))


def _words(given):
    return sum(len(message.text.split()) for message in given)


def test_a_counter_of_ones_own_counts():
    chat = routed(pool=SMALL, count_tokens=_words)
    assert _ranking(chat.invoke(f"{CODE} {'x' * 5000}")) == [*CODE_RANKING]
    assert _ranking(chat.invoke(f"{CODE} {'x ' * 100}")) == ["clerk", "poet"]


def test_a_counter_of_the_router_counts():
    router = evidence().with_pool(SMALL, count_tokens=_words)
    chat = ChatKNNRouter(router=router, models=stubs())
    assert "coder" in _ranking(chat.invoke("x" * 900))
    assert "coder" not in _ranking(chat.invoke("x " * 101))
    assert _ranking(chat.invoke("x" * 900, model="coder")) == ["coder"]


def test_a_prompt_over_all_windows_says_so():
    pool = pool_of(**{name: {"context_window": 10} for name in NAMES})
    with pytest.raises(EmptyPoolError, match="poet: context window 10 is under 14 prompt"):
        routed(pool=pool).invoke(CODE)


def test_a_counter_that_fails_lets_the_default_answer():
    def broken(given):
        raise RuntimeError("no counter")

    pool = pool_of(router={"default": "clerk"}, coder={"context_window": 100})
    stamp = stamp_of(routed(pool=pool, count_tokens=broken).invoke(CODE))
    assert (stamp["answered_by"], stamp["reason_code"]) == ("clerk", "routing_failed")


# What is asked for by name.


def test_required_capabilities_and_tags():
    pool = pool_of(
        coder={"tags": ["us"]},
        clerk={"tags": ["eu"], "capabilities": ["reasoning"]},
        poet={"tags": ["eu"]},
    )
    assert _ranking(routed(pool=pool, require_tags=("eu",)).invoke(CODE)) == ["clerk", "poet"]
    assert _ranking(routed(pool=pool, require=("reasoning",)).invoke(CODE)) == ["clerk"]
    config = {"configurable": {"knnrouter_tags": "eu"}}
    assert _ranking(routed(pool=pool).invoke(CODE, config)) == ["clerk", "poet"]
    config = {"configurable": {"knnrouter_require": ["reasoning"]}}
    assert _ranking(routed(pool=pool).invoke(CODE, config)) == ["clerk"]


def test_models_that_are_allowed():
    assert _ranking(routed(allow=("poet", "clerk")).invoke(CODE)) == ["clerk", "poet"]
    config = {"configurable": {"knnrouter_allow": "poet"}}
    assert _ranking(routed(allow=("coder",)).invoke(CODE, config)) == ["poet"]


def test_a_model_that_is_not_enabled_needs_no_client_and_is_never_asked():
    pool = pool_of(coder={"enabled": False})
    models = {name: StubChat(model=name) for name in ("clerk", "poet")}
    assert _ranking(routed(models, pool=pool).invoke(CODE)) == ["clerk", "poet"]


def test_text_of_system_tools_and_answers_never_decides(chat):
    poem = "Write a sonnet on the sea. Write a haiku on the moon. Rhyme, poet, rhyme!"
    given = [
        SystemMessage(poem),
        HumanMessage(CODE),
        AIMessage(poem, tool_calls=[{"name": "read", "args": {"text": poem}, "id": "1"}]),
        ToolMessage(poem, tool_call_id="1"),
    ]
    assert stamp_of(chat.invoke(given))["model"] == "coder"


def test_a_trivial_follow_up_keeps_the_evidence_of_the_turn_before(chat):
    given = [HumanMessage(POEM), AIMessage("Shall I?"), HumanMessage("Yes, do it.")]
    assert stamp_of(chat.invoke(given))["model"] == "poet"
    assert stamp_of(chat.invoke([HumanMessage("Yes, do it.")]))["similarity"] != pytest.approx(
        stamp_of(chat.invoke(given))["similarity"]
    )
