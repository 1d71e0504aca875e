"""Agents: one decision a user turn, whatever tools say, and the model that answered is kept."""

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llm_stubs import StubLLM
from routed_chats import CODE, POEM, pool_of
from routed_llms import LOOK, called, routed, stubs

# LlamaIndex's own warnings, of how its workflows look at agents and keep their state.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:Skipping serialization of known unserializable key"
)

STREAMING = pytest.mark.parametrize("streaming", [True, False])
TWO_STEPS = {name: {"rounds": 2} for name in ("coder", "clerk", "poet")}


def function_agent(llm, streaming):
    return FunctionAgent(tools=[LOOK], llm=llm, streaming=streaming)


def workflow(llm, streaming):
    made = AgentWorkflow.from_tools_or_functions([LOOK], llm=llm)
    (agent,) = made.agents.values()
    assert type(agent) is FunctionAgent, "the metadata says that there are tools"
    agent.streaming = streaming
    return made


def react_agent(llm, streaming):
    return ReActAgent(tools=[LOOK], llm=llm, streaming=streaming)


AGENTS = pytest.mark.parametrize(
    "agent_of", [function_agent, workflow, react_agent], ids=lambda made: made.__name__
)


def decisions(events):
    return [(event.model, event.decision_id) for event in events.of("RouteDecisionEvent")]


@AGENTS
@STREAMING
async def test_a_tool_loop_is_one_decision(agent_of, streaming, events):
    """The tools talk of poems; whoever was chosen for the code goes on."""
    models = stubs(**TWO_STEPS)
    answer = await agent_of(routed(models), streaming).run(CODE)
    steps = 2 if agent_of is react_agent else 3
    assert called(models) == {"coder": steps}
    assert len(decisions(events)) == steps
    assert len(set(decisions(events))) == 1
    assert "coder" in str(answer)


@AGENTS
@STREAMING
async def test_a_fallback_is_kept_within_the_turn(agent_of, streaming, events):
    models = stubs(**TWO_STEPS)
    fails_once = models["coder"]
    object.__setattr__(fails_once, "fails", TimeoutError("slow"))

    llm = routed(models)
    handler = agent_of(llm, streaming).run(CODE)
    async for event in handler.stream_events():
        if isinstance(event, AgentOutput):  # works again
            fails_once.fails = None
    await handler
    assert called(models) == {"coder": 1, "clerk": 2 if agent_of is react_agent else 3}
    (first, id_), *later = decisions(events)
    assert first == "coder"
    assert set(later) == {("clerk", id_)}


@STREAMING
async def test_each_turn_is_decided_by_itself(streaming, events):
    models = stubs(**TWO_STEPS)
    agent = function_agent(routed(models), streaming)
    memory = ChatMemoryBuffer.from_defaults(token_limit=1000, tokenizer_fn=str.split)
    await agent.run(CODE, memory=memory)
    await agent.run(POEM, memory=memory)
    assert called(models) == {"coder": 3, "poet": 3}
    assert models["poet"].seen[0]["messages"][0].content == CODE, "the history is read, too"
    assert len({id_ for _, id_ in decisions(events)}) == 2


async def test_with_sticky_thread_the_first_turn_decides(events):
    models = stubs(**TWO_STEPS)
    agent = function_agent(routed(models, sticky="thread"), True)
    memory = ChatMemoryBuffer.from_defaults(token_limit=1000, tokenizer_fn=str.split)
    await agent.run(CODE, memory=memory)
    await agent.run(POEM, memory=memory)
    assert called(models) == {"coder": 6}


async def test_with_sticky_call_every_call_is_decided(events):
    await function_agent(routed(stubs(**TWO_STEPS), sticky="call"), True).run(CODE)
    assert len({id_ for _, id_ in decisions(events)}) == 3


async def test_every_streamed_chunk_has_its_tool_calls():
    handler = function_agent(routed(), True).run(CODE)
    streamed = [event async for event in handler.stream_events() if type(event) is AgentStream]
    await handler
    assert [call.tool_name for event in streamed for call in event.tool_calls] == ["look"]
    assert "".join(event.delta for event in streamed).startswith("coder: ")


async def test_agents_in_shadow_are_the_defaults():
    models = stubs(**TWO_STEPS)
    llm = routed(models, pool=pool_of(router={"default": "clerk"}), shadow=True)
    await function_agent(llm, True).run(CODE)
    assert called(models) == {"clerk": 3}


async def test_what_the_code_of_an_agent_gives_is_no_new_turn():
    class Coding(StubLLM):
        def _text(self, messages):
            return "Done." if len(messages) > 2 else "<execute>\nprint(1)\n</execute>"

    models = stubs(Coding)
    agent = CodeActAgent(
        tools=[], llm=routed(models), code_execute_fn=lambda code: POEM * 3, streaming=False
    )
    assert str(await agent.run(CODE)) == "Done."
    assert called(models) == {"coder": 2}
    assert models["coder"].seen[1]["messages"][-1].content.endswith(POEM)


async def test_a_complaint_of_a_react_agent_is_no_new_turn(llm, models):
    asked_again = [
        ChatMessage(CODE),
        ChatMessage("Write a sonnet.", role="assistant"),
        ChatMessage(f"Error while parsing the output: no thought in {POEM * 3}"),
    ]
    answer = await llm.achat(asked_again)
    assert answer.additional_kwargs["knnrouter"]["model"] == "coder"
    assert models["coder"].seen[0]["messages"] == asked_again, "the LLM reads all as it was"


async def test_the_state_of_a_workflow_does_not_decide():
    models = stubs(**TWO_STEPS)
    agent = FunctionAgent(name="only", description="only", tools=[LOOK], llm=routed(models))
    state = {"poem": "a sonnet, a haiku, a limerick, an ode, verses on the sea and the moon"}
    await AgentWorkflow(agents=[agent], root_agent="only", initial_state=state).run(CODE)
    assert called(models) == {"coder": 3}
    (asked,) = [each for each in models["coder"].seen[0]["messages"] if each.role == "user"]
    assert state["poem"] in asked.content, "the LLM reads the state"


async def test_a_handoff_goes_on_in_the_same_workflow(events):
    models = stubs(**TWO_STEPS)
    llm = routed(models)
    agents = [
        FunctionAgent(name=name, description=name, tools=[LOOK], llm=llm)
        for name in ("first", "second")
    ]
    await AgentWorkflow(agents=agents, root_agent="first").run(CODE)
    assert called(models) == {"coder": 3}
