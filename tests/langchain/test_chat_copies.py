"""The chat model can be printed, traced and copied, and shows nothing of its models."""

import copy
import json
import traceback

import pytest
from chat_stubs import StubChat
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import SecretStr
from routed_chats import CODE, NAMES, POEM, pool_of, routed, stamp_of, stubs

from knnrouter.serving import Lazy
from langchain_llmrouter import ChatKNNRouter

MARK = "sk-0123456789"


class Keyed(StubChat):
    """Holds a key twice, and shows one of them in its own `repr`."""

    api_key: SecretStr
    note: str


@pytest.fixture
def keyed():
    return routed(stubs(Keyed, **{name: {"api_key": MARK, "note": MARK} for name in NAMES}))


def _graph(chat):
    graph = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.add_edge(START, "answer")
    return graph.compile()


@pytest.mark.parametrize(
    "show",
    [repr, str, dumpd, dumps, lambda chat: chat.model_dump(), lambda chat: chat.asdict(),
     lambda chat: chat._serialized, lambda chat: repr(chat.bind(stop=["x"])),
     lambda chat: repr(chat.bind_tools([len])), lambda chat: repr(RunnableLambda(len) | chat),
     lambda chat: dumpd(RunnableLambda(len) | chat), lambda chat: chat.get_graph().draw_mermaid(),
     lambda chat: chat.get_input_jsonschema(), lambda chat: chat.config_schema().__dict__],
)  # fmt: skip
def test_nothing_that_shows_the_router_shows_what_its_models_hold(keyed, show):
    assert MARK in repr(keyed.models["coder"]), "the stub would show it"
    assert MARK not in str(show(keyed))


def test_traces_show_nothing_of_the_models_through_the_router(keyed):
    seen = []

    class Serialized(BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, **kwargs):
            seen.append(str((serialized, inputs, kwargs)))

        def on_chain_end(self, outputs, **kwargs):
            seen.append(str((outputs, kwargs)))

    keyed.invoke(CODE, {"callbacks": [Serialized()]})
    assert len(seen) == 2
    assert MARK not in "".join(seen)


def test_errors_show_nothing_of_the_models(keyed):
    with pytest.raises(LookupError) as error:
        keyed.invoke(CODE, model="nobody")
    assert MARK not in "".join(traceback.format_exception(error.value))


def test_it_is_serialized_as_not_implemented(chat):
    made = json.loads(dumps(chat))
    assert (made["type"], made["id"][-1]) == ("not_implemented", "ChatKNNRouter")


@pytest.mark.parametrize("of", [copy.copy, copy.deepcopy, lambda chat: chat.model_copy()])
def test_a_copy_answers_as_the_original(of):
    lock = Lazy(lambda: StubChat(model="coder"))
    chat = routed({**stubs(), "coder": lock}, tags=["own"])
    before = stamp_of(chat.invoke(CODE))["scores"]
    copied = of(chat)
    assert stamp_of(copied.invoke(CODE))["scores"] == before
    assert copied.models["coder"] is lock, "clients are shared"
    assert copied.router is chat.router
    assert copied.decider is not chat.decider


def test_a_deep_copy_shares_no_settings():
    chat = routed(tags=["own"], metadata={"team": "a"})
    copied = copy.deepcopy(chat)
    copied.tags.append("more")
    copied.metadata["team"] = "b"
    assert (chat.tags, chat.metadata["team"]) == (["own"], "a")


def test_a_copy_with_other_settings_follows_them():
    chat = routed()
    history = [("user", CODE), ("assistant", "Done."), ("user", POEM)]
    assert stamp_of(chat.invoke(history))["model"] == "poet"
    assert (
        stamp_of(chat.model_copy(update={"sticky": "thread"}).invoke(history))["model"] == "coder"
    )
    assert stamp_of(chat.invoke(history))["model"] == "poet"


async def test_an_awaited_copy_follows_its_own_settings():
    chat = routed()
    await chat.ainvoke(CODE)
    copied = chat.model_copy(update={"allow": ("poet",)})
    assert stamp_of(await copied.ainvoke(CODE))["model"] == "poet"


def test_a_chain_and_a_graph_with_it_can_be_copied(chat):
    chain = copy.deepcopy(RunnableLambda(lambda text: text) | chat)
    assert chain.invoke(CODE).text == f"coder: {CODE}"
    graph = copy.copy(_graph(chat))
    assert graph.invoke({"messages": [("user", CODE)]})["messages"][-1].text == f"coder: {CODE}"


# Laziness.


def test_a_router_of_a_pool_file_loads_nothing_before_it_is_needed(saved):
    made = []

    def client(name):
        return Lazy(lambda: made.append(name) or StubChat(model=name))

    chat = ChatKNNRouter.from_yaml(saved.path, models={name: client(name) for name in NAMES})
    tool_bound = chat.bind_tools([len])
    repr(chat), chat.profile, chat.config_specs, dumpd(chat), copy.deepcopy(chat)
    assert (saved.loads, made) == ([], [])
    assert tool_bound.invoke(CODE).tool_calls[0]["name"] == "len"
    assert (len(saved.loads), made) == (1, ["coder"])
    assert chat.invoke(POEM).text == f"poet: {POEM}"
    assert (len(saved.loads), made) == (1, ["coder", "poet"])


def test_a_named_model_needs_no_evidence(saved):
    chat = ChatKNNRouter.from_yaml(saved.path, models=stubs())
    assert chat.invoke(CODE, model="poet").text == f"poet: {CODE}"
    assert saved.loads == []


def test_warming_up_loads_all_that_is_needed(saved):
    made = []

    def client(name):
        return Lazy(lambda: made.append(name) or StubChat(model=name))

    chat = ChatKNNRouter.from_yaml(saved.path, models={name: client(name) for name in NAMES})
    chat.warmup()
    assert (len(saved.loads), made) == (1, [*NAMES])


def test_a_router_that_could_not_be_loaded_is_tried_again(saved):
    chat = ChatKNNRouter.from_yaml(saved.path, models=stubs())
    folder = saved.path.parent / "router"
    folder.rename(folder.with_name("away"))
    with pytest.raises(FileNotFoundError):
        chat.invoke(CODE)
    folder.with_name("away").rename(folder)
    assert chat.invoke(CODE).text == f"coder: {CODE}"


def test_a_pool_file_takes_other_fields_too(saved):
    chat = ChatKNNRouter.from_yaml(saved.path, models=stubs(), allow=("poet",), tags=["own"])
    assert stamp_of(chat.invoke(CODE))["model"] == "poet"
    assert chat.tags == ["own"]


def test_no_models_for_a_pool_file_are_an_error(saved):
    with pytest.raises(TypeError, match="models is an empty dict"):
        ChatKNNRouter.from_yaml(saved.path, models={})


def test_it_is_made_in_no_time():
    """Configurable fields make it anew at each call, so nothing may be computed."""
    chat = routed(pool=pool_of(coder={"tags": ["eu"]}))
    again = type(chat)(router=chat.router, models=chat.models)
    assert "decider" not in vars(again)
