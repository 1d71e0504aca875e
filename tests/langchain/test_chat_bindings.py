"""Tools and schemas bound to the router are bound to whichever model is chosen, as they are."""

import asyncio
import copy
from typing import Any, TypedDict

import pytest
from calling import WAYS
from chat_stubs import StubChat
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import tool
from pydantic import BaseModel, Field
from routed_chats import CODE, NAMES, POEM, pool_of, routed, stamp_of, stubs

from knnrouter.errors import EmptyPoolError

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")


class BindingChat(StubChat):
    """Keeps what was bound to it, as it was given."""

    bound: list = Field(default_factory=list, exclude=True)

    def bind_tools(self, tools, **kwargs):
        self.bound.append((tools, kwargs))
        known = [each for each in tools if not (isinstance(each, dict) and "name" not in each)]
        return super().bind_tools(known, **kwargs)

    def with_structured_output(self, schema, **kwargs):
        self.bound.append((schema, kwargs))
        return super().with_structured_output(schema, **kwargs)


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sun"


def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


class Search(BaseModel):
    """Search for something."""

    words: str


DICT_TOOL = {
    "name": "now",
    "description": "The time.",
    "parameters": {"type": "object", "properties": {}},
}
NATIVE_TOOL = {"type": "web_search"}


class Answer(BaseModel):
    """An answer."""

    number: int


class AnswerDict(TypedDict):
    """An answer."""

    number: int


ANSWER_SCHEMA = {
    "title": "Answer",
    "description": "An answer.",
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
}


@pytest.fixture
def binding():
    return stubs(BindingChat)


def test_tools_are_handed_on_as_they_are(binding):
    tools = [weather, add, Search, DICT_TOOL, NATIVE_TOOL]
    given = copy.copy(tools)
    bound = routed(binding).bind_tools(tools, strict=True, parallel_tool_calls=False)
    tools.clear()
    assert isinstance(bound, RunnableBinding)
    answer = bound.invoke(CODE)
    (handed,) = binding["coder"].bound
    assert [a is b for a, b in zip(handed[0], given, strict=True)] == [True] * 5
    assert handed[1] == {"strict": True, "parallel_tool_calls": False}
    assert answer.tool_calls[0]["name"] == "weather"
    assert binding["poet"].bound == []


@pytest.mark.parametrize("choice", ["any", "weather", {"type": "auto"}])
def test_a_choice_of_tool_is_handed_on(binding, choice):
    routed(binding).bind_tools([weather], tool_choice=choice).invoke(CODE)
    assert binding["coder"].bound[0][1] == {"tool_choice": choice}


def test_the_base_class_is_not_told_of_the_tools():
    """Agents read `kwargs["tools"]` of a binding as tools in the provider's form."""
    bound = routed().bind_tools([weather])
    assert "tools" not in bound.kwargs


BINDABLE = [call for call in WAYS if "generate" not in call.__name__]
"""`generate` of a binding is the model's own, here as with any chat model."""


@pytest.mark.parametrize("call", BINDABLE, ids=lambda call: call.__name__)
def test_bound_tools_hold_however_the_model_is_called(binding, call):
    answer = call(routed(binding).bind_tools([weather]), CODE)
    assert answer.tool_calls[0]["name"] == "weather"
    assert stamp_of(answer)["model"] == "coder"


def test_other_settings_can_be_added(binding):
    bound = routed(binding).bind_tools([weather])
    configured = bound.with_config(tags=["mine"]).bind(stop=["x"]).with_retry()
    assert configured.invoke(CODE).tool_calls[0]["name"] == "weather"
    assert binding["coder"].seen[0]["arguments"]["stop"] == ["x"]


def test_fallbacks_get_the_tools_too(binding):
    spare = BindingChat(model="spare")
    fails = {name: {"fails": OSError(name)} for name in NAMES}
    chain = routed(stubs(**fails)).with_fallbacks([spare]).bind_tools([weather])
    assert chain.invoke(CODE).tool_calls[0]["name"] == "weather"
    assert [tools for tools, _ in spare.bound] == [[weather]]


def test_a_model_that_fails_is_followed_by_the_next_with_the_same_tools(binding):
    binding["coder"].fails = TimeoutError()
    answer = routed(binding).bind_tools([weather]).invoke(CODE)
    assert (answer.tool_calls[0]["name"], stamp_of(answer)["answered_by"]) == ("weather", "clerk")


def test_only_models_with_tools_are_chosen():
    models = {**stubs(), "coder": FakeListChatModel(responses=["no tools"])}
    chat = routed(models)
    assert stamp_of(chat.invoke(CODE))["model"] == "coder"
    assert stamp_of(chat.bind_tools([weather]).invoke(CODE))["ranking"] == ["clerk", "poet"]
    assert stamp_of(chat.bind_tools([]).invoke(CODE))["model"] == "coder"


def test_where_no_model_has_tools_binding_says_why():
    chat = routed({name: FakeListChatModel(responses=["no tools"]) for name in NAMES})
    with pytest.raises(EmptyPoolError) as error:
        chat.bind_tools([weather])
    assert error.value.problems == tuple(f"{name}: lacks the capability 'tools'" for name in NAMES)


def test_binding_minds_what_the_router_may_choose():
    models = {**stubs(), "coder": FakeListChatModel(responses=["no tools"])}
    with pytest.raises(EmptyPoolError, match="clerk: not allowed"):
        routed(models, allow=("coder",)).bind_tools([weather])


def test_tools_in_the_providers_form_need_a_model_with_tools():
    models = {**stubs(), "coder": FakeListChatModel(responses=["no tools"])}
    formatted = [{"type": "function", "function": DICT_TOOL}]
    answer = routed(models).bind(tools=formatted).invoke(CODE)
    assert (stamp_of(answer)["model"], answer.tool_calls[0]["name"]) == ("clerk", "now")


def test_a_native_response_format_needs_structured_output():
    pool = pool_of(
        coder={"capabilities": ["tools"]}, clerk={"capabilities": ["tools", "structured_output"]}
    )
    form = {"type": "json_schema", "json_schema": {"name": "Answer", "schema": ANSWER_SCHEMA}}
    chat = routed(pool=pool)
    assert stamp_of(chat.bind_tools([weather]).invoke(CODE))["ranking"] == ["coder", "clerk"]
    for bound in (
        chat.bind_tools([weather], response_format=form),
        chat.bind(response_format=form),
    ):
        assert stamp_of(bound.invoke(CODE))["ranking"] == ["clerk"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [(Answer, Answer(number=3)), (AnswerDict, {"number": 3}), (ANSWER_SCHEMA, {"number": 3})],
    ids=["pydantic", "TypedDict", "JSON schema"],
)
@pytest.mark.parametrize("how", ["invoke", "ainvoke", "batch", "abatch", "stream", "astream"])
def test_structured_output(chat, schema, expected, how):
    async def read(chain):
        return [chunk async for chunk in chain.astream(CODE)]

    chain = chat.with_structured_output(schema)
    given = [CODE] if "batch" in how else CODE
    got = asyncio.run(read(chain)) if how == "astream" else getattr(chain, how)(given)
    got = asyncio.run(got) if how in ("ainvoke", "abatch") else got
    last = got if "invoke" in how else list(got)[-1]
    assert last == expected
    assert type(last) is type(expected)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_the_raw_message_carries_the_decision(chat, log, how):
    chain = chat.with_structured_output(Answer, include_raw=True)
    if how == "invoke":
        got = chain.invoke(CODE, {"callbacks": [log]})
        raw = got["raw"]
        assert (got["parsed"], got["parsing_error"]) == (Answer(number=3), None)
    else:
        chunks = list(chain.stream(CODE, {"callbacks": [log]}))
        raw = next(chunk["raw"] for chunk in chunks if "raw" in chunk)
        assert any(chunk.get("parsed") == Answer(number=3) for chunk in chunks)
    assert stamp_of(raw)["model"] == "coder"
    assert len(log.of("model")) == 1


def test_a_stop_that_is_none_is_left_out(binding):
    """What streams a raw message takes no arguments."""
    chain = routed(binding).with_structured_output(Answer, include_raw=True)
    parsed = [chunk["parsed"] for chunk in chain.stream(CODE, stop=None) if "parsed" in chunk]
    assert parsed[-1] == Answer(number=3)


@pytest.mark.parametrize(
    "options", [{}, {"method": "json_mode"}, {"method": "json_schema", "strict": True}]
)
def test_how_to_structure_is_handed_on(binding, options):
    class Lenient(BindingChat):
        def with_structured_output(self, schema, *, strict=None, **kwargs):
            self.bound.append((schema, {"strict": strict, **kwargs}))
            return StubChat.with_structured_output(self, schema)

    models = stubs(Lenient)
    routed(models).with_structured_output(Answer, **options).invoke(CODE)
    assert models["coder"].bound[0] == (
        Answer,
        {"strict": None, "include_raw": False, **options},
    )


@pytest.mark.parametrize(
    ("schema", "raw", "expected"),
    [
        (Answer, False, Answer),
        (AnswerDict, False, AnswerDict),
        (ANSWER_SCHEMA, False, dict),
        (Answer, True, dict),
    ],
)
def test_the_output_type_is_that_of_the_schema(chat, schema, raw, expected):
    chain = chat.with_structured_output(schema, include_raw=raw)
    assert chain.OutputType is expected
    assert isinstance(chain, RunnableBinding)


@pytest.mark.parametrize(
    ("options", "ranking"),
    [
        ({}, ["clerk"]),
        ({"method": "function_calling"}, ["coder", "poet"]),
        ({"method": "json_mode"}, ["clerk"]),
    ],
)
def test_only_models_that_can_structure_by_the_method_are_chosen(options, ranking):
    pool = pool_of(
        coder={"capabilities": ["tools"]},
        clerk={"capabilities": ["structured_output"]},
        poet={"capabilities": ["tools"]},
    )
    chain = routed(pool=pool).with_structured_output(Answer, include_raw=True, **options)
    assert stamp_of(chain.invoke(CODE)["raw"])["ranking"] == ranking


def test_where_no_model_can_structure_binding_says_why():
    pool = pool_of(**{name: {"capabilities": ["vision"]} for name in NAMES})
    with pytest.raises(EmptyPoolError, match="poet: lacks the capability 'structured_output'"):
        routed(pool=pool).with_structured_output(Answer)


def test_structured_output_has_one_run_of_a_model(chat, log):
    chat.with_structured_output(Answer).invoke(POEM, {"callbacks": [log]})
    (run,) = log.of("model")
    assert run.metadata["knnrouter_model"] == "poet"
    assert {each for run in log.finished for each in run.ended} == {"end"}


def test_bindings_show_no_secret():
    models = stubs(coder={"metadata": {"key": "sk-secret"}})
    bound: Any = routed(models).bind_tools([weather])
    assert "sk-secret" not in repr(bound) + str(bound)
    assert isinstance(bound.invoke(CODE), AIMessage)
