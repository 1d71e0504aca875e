"""Tools are prepared by the LLM that is chosen, and its calls are read by the LLM that answered."""

import asyncio
import logging

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.tools import BaseTool, FunctionTool, ToolMetadata, ToolOutput
from llm_stubs import OldLLM, PlainLLM, StubLLM
from routed_chats import CODE, POEM, pool_of
from routed_llms import (
    LOOK,
    WITH_TOOLS,
    called,
    name_of,
    routed,
    stamp_of,
    stubs,
)

from knnrouter.errors import EmptyPoolError

EVERY = pytest.mark.parametrize("call", WITH_TOOLS, ids=name_of)


@EVERY
def test_tools_reach_the_chosen_llm_in_its_own_form(call, llm, models):
    chunks = call(llm)
    assert called(models) == {"coder": 1}
    given = models["coder"].seen[0]["arguments"]
    assert [tool["name"] for tool in given["coder_tools"]] == ["look"]
    for chunk in chunks:
        (read,) = llm.get_tool_calls_from_response(chunk)
        assert (read.tool_name, [*read.tool_kwargs]) == ("look", ["place"])


@EVERY
def test_after_a_fallback_the_one_who_answered_reads_its_calls(call):
    models = stubs(coder={"fails": TimeoutError()})
    llm = routed(models)
    for chunk in call(llm):
        assert llm.get_tool_calls_from_response(chunk)[0].tool_name == "look"
        assert stamp_of(chunk)["answered_by"] == "clerk"


@EVERY
def test_a_named_llm_gets_the_tools(call, llm, models):
    chunk = call(llm, model="poet")[-1]
    assert llm.get_tool_calls_from_response(chunk)[0].tool_name == "look"
    assert called(models) == {"poet": 1}


@EVERY
@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"verbose": True},
        {"allow_parallel_tool_calls": True},
        {"allow_parallel_tool_calls": True, "tool_required": True, "tool_choice": "auto"},
    ],
)
def test_flags_are_handed_on(call, flags, llm, models):
    call(llm, **flags)
    given = models["coder"].seen[0]["arguments"]
    assert given.pop("coder_tools")
    assert given == {
        "parallel": flags.get("allow_parallel_tool_calls", False),
        "required": flags.get("tool_required", False),
        **({"tool_choice": "auto"} if "tool_choice" in flags else {}),
    }


class _Strict(StubLLM):
    """An LLM whose own methods know no flags."""

    def chat_with_tools(self, tools, user_msg=None, chat_history=None):
        return super().chat_with_tools(tools, user_msg, chat_history)

    async def achat_with_tools(self, tools, user_msg=None, chat_history=None):
        return await super().achat_with_tools(tools, user_msg, chat_history)

    def stream_chat_with_tools(self, tools, user_msg=None, chat_history=None):
        return super().stream_chat_with_tools(tools, user_msg, chat_history)

    async def astream_chat_with_tools(self, tools, user_msg=None, chat_history=None):
        return await super().astream_chat_with_tools(tools, user_msg, chat_history)


@EVERY
@pytest.mark.parametrize("kind", [OldLLM, _Strict])
def test_flags_that_are_not_given_do_not_reach_llms_that_lack_them(call, kind):
    models = stubs(kind)
    call(routed(models), verbose=False, allow_parallel_tool_calls=False, tool_required=False)
    assert called(models) == {"coder": 1}


@EVERY
def test_an_llm_without_tools_is_not_asked_for_them(call):
    models = {**stubs(), "coder": PlainLLM(model="coder")}
    assert stamp_of(call(routed(models))[-1])["answered_by"] == "clerk"
    assert called(models) == {"clerk": 1}


@EVERY
def test_the_pool_says_who_has_tools(call):
    pool = pool_of(coder={"capabilities": []}, clerk={"capabilities": ["vision"]})
    with pytest.raises(EmptyPoolError, match="tools"):
        call(routed(pool=pool), knnrouter_require="tools")
    pool = pool_of(poet={"capabilities": ["tools"]})
    assert stamp_of(call(routed(pool=pool))[-1])["answered_by"] == "poet"


async def test_without_tools_it_is_a_plain_chat():
    models = {**stubs(), "coder": PlainLLM(model="coder")}
    llm = routed(models)
    answers = [
        llm.chat_with_tools([], CODE),
        await llm.achat_with_tools([], CODE),
        [*llm.stream_chat_with_tools([], CODE)][-1],
        [each async for each in await llm.astream_chat_with_tools([], CODE)][-1],
    ]
    for answer in answers:
        assert answer.message.content == "coder"
        assert llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="calls no tool"):
            llm.get_tool_calls_from_response(answer)


def test_the_message_and_the_history_are_routed_together(llm, models):
    history = [ChatMessage(POEM), ChatMessage("O sea!", role="assistant")]
    answer = llm.chat_with_tools([LOOK], CODE, history)
    assert stamp_of(answer)["model"] == "coder"
    assert [each.content for each in models["coder"].seen[0]["messages"]] == [POEM, "O sea!", CODE]
    answer = llm.chat_with_tools([LOOK], ChatMessage(POEM), [ChatMessage(CODE)])
    assert stamp_of(answer)["model"] == "poet"


@pytest.mark.parametrize("told", [{}, {"knnrouter": {"answered_by": "nobody"}}])
def test_an_answer_of_somebody_else_is_not_read(llm, told):
    message = ChatMessage("Hello.", role="assistant")
    answer = ChatResponse(message=message, additional_kwargs=told)
    with pytest.raises(ValueError, match=r"which is no model of the pool; hand on answers"):
        llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)


def test_a_stream_without_a_chunk_calls_no_tool(llm):
    """Agents make an empty answer of it."""
    empty = ChatResponse(message=ChatMessage())
    assert llm.get_tool_calls_from_response(empty, error_on_no_tool_call=False) == []


def test_tools_are_not_prepared_by_the_router(llm):
    with pytest.raises(NotImplementedError, match="prepared by the LLM that is chosen"):
        llm._prepare_chat_with_tools([LOOK])


# Predict and call.


def predict_and_call(llm, *args, **kwargs):
    return llm.predict_and_call(*args, **kwargs)


def apredict_and_call(llm, *args, **kwargs):
    return asyncio.run(llm.apredict_and_call(*args, **kwargs))


BOTH = pytest.mark.parametrize("call", [predict_and_call, apredict_and_call], ids=name_of)


@BOTH
def test_the_chosen_llm_calls_the_tool(call, llm, models):
    answer = call(llm, [LOOK], POEM, verbose=False, allow_parallel_tool_calls=True)
    assert answer.response == LOOK.fn("here")
    assert answer.metadata["knnrouter"]["answered_by"] == "poet"
    assert called(models) == {"poet": 1}
    assert models["poet"].seen[0]["arguments"]["parallel"] is True


@BOTH
def test_an_llm_that_calls_no_tool_may_be_allowed(call):
    models = stubs(**{name: {"rounds": 0} for name in ("coder", "clerk", "poet")})
    answer = call(routed(models), [LOOK], POEM, error_on_no_tool_call=False)
    assert (answer.response, answer.sources) == (f"poet: {POEM}", [])
    with pytest.raises(ValueError, match="no tool call"):
        call(routed(models), [LOOK], POEM)


@BOTH
def test_a_tool_that_fails_is_not_called_again_by_another_llm(call, llm, models):
    tried = []

    def order(place: str, days: int) -> str:  # old LlamaIndex calls one of one argument twice
        """Order a thing."""
        tried.append(place)
        raise OSError("out of stock")

    tool = FunctionTool.from_defaults(order)
    with pytest.raises(ValueError, match="out of stock"):
        call(llm, [tool], POEM, error_on_tool_error=True)
    assert (len(tried), called(models)) == (1, {"poet": 1})
    answer = call(llm, [tool], POEM)
    assert (answer.sources[0].is_error, len(tried)) == (True, 2)


class Hasty(StubLLM):
    """Calls the first tool, and then one more."""

    more: str

    def _answer(self, messages, kwargs):
        text, extra = super()._answer(messages, kwargs)
        extra[f"{self.model}_calls"].append(("more", self.more, '{"place": "there"}'))
        return text, extra


@BOTH
@pytest.mark.parametrize(
    ("more", "parallel", "error"), [("look", False, ValueError), ("unknown", True, KeyError)]
)
def test_what_breaks_after_a_tool_was_called_is_the_callers(call, more, parallel, error):
    looked = []

    def look(place: str) -> str:
        """Look around."""
        looked.append(place)
        return place

    models = stubs(Hasty, **{name: {"more": more} for name in ("coder", "clerk", "poet")})
    tool = FunctionTool.from_defaults(look)
    with pytest.raises(error):
        call(routed(models), [tool], POEM, allow_parallel_tool_calls=parallel)
    assert called(models) == {"poet": 1}
    assert len(looked) == 1 + (more == "look")


@BOTH
def test_before_a_tool_is_called_the_next_llm_may_try(call):
    models = stubs(poet={"rounds": 0})  # calls none, which is an error here
    assert call(routed(models), [LOOK], POEM).response == LOOK.fn("here")
    assert called(models) == {"poet": 1, "clerk": 1}


def test_tools_that_are_not_functions_are_called_too(llm):
    class Older(BaseTool):
        metadata = ToolMetadata("Look around.", name="older")

        def __call__(self, input):
            return ToolOutput(
                content=f"seen at {input}", tool_name="older", raw_input={}, raw_output=input
            )

    assert llm.predict_and_call([Older()], POEM).response.startswith("seen at ")
    answer = asyncio.run(llm.apredict_and_call([Older()], POEM))
    assert answer.response.startswith("seen at ")


@pytest.mark.parametrize("call", [*WITH_TOOLS, predict_and_call, apredict_and_call], ids=name_of)
def test_where_nobody_has_tools_that_is_told(call):
    llm = routed(stubs(PlainLLM))
    assert llm.metadata.is_function_calling_model is False
    with pytest.raises(EmptyPoolError, match="tools"):
        call(llm) if call in WITH_TOOLS else call(llm, [LOOK], POEM)


def test_no_warning_of_old_llms_comes_unasked(caplog):
    with caplog.at_level(logging.WARNING):
        routed(stubs(OldLLM)).chat_with_tools([LOOK], CODE)
    assert caplog.messages == []
