"""How long a choice holds: within a user turn by the stamp in the history, or for a thread."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from routed_chats import CODE, NAMES, POEM, evidence, pool_of, routed, stamp_of, stubs, told

from knnrouter.text import routed_part

CALL = {"name": "look", "args": {}, "id": "1"}


def _loop(first, *, text=CODE):
    """The history of a tool loop whose first answer was this one."""
    called = first.model_copy(update={"tool_calls": [CALL]})
    return [HumanMessage(text), called, ToolMessage("Nothing.", tool_call_id="1")]


def _failed_first():
    """A router whose favored model failed once and works again, and the answer of that time."""
    models = stubs(coder={"fails": TimeoutError()})
    chat = routed(models)
    answer = chat.invoke([HumanMessage(CODE)])
    models["coder"].fails = None
    assert stamp_of(answer)["answered_by"] == "clerk"
    return chat, answer


def test_a_fallback_within_a_turn_is_kept():
    chat, first = _failed_first()
    again = stamp_of(chat.invoke(_loop(first)))
    assert again["answered_by"] == "clerk"
    assert again["id"] == stamp_of(first)["id"]


def test_a_history_that_repeats_a_model_does_not_have_it_asked_again():
    models = stubs(**{name: {"fails": TimeoutError()} for name in NAMES})
    values = stamp_of(routed().invoke(CODE)) | {"ranking": ["coder"] * 5 + ["clerk"] * 5}
    forged = AIMessage("", response_metadata={"knnrouter": values})
    with pytest.raises(TimeoutError):
        routed(models).invoke(_loop(forged))
    assert {name: len(model.seen) for name, model in models.items()} == {
        "coder": 1,
        "clerk": 1,
        "poet": 0,
    }


@pytest.mark.parametrize("how", ["batch", "generate", "stream"])
def test_it_is_kept_however_the_model_is_called(how):
    chat, first = _failed_first()
    loop = _loop(first)
    if how == "batch":
        fresh, kept = chat.batch([[HumanMessage(CODE)], loop])
        assert stamp_of(fresh)["answered_by"] == "coder"
    elif how == "generate":
        kept = chat.generate([loop]).generations[0][0].message
    else:
        kept = next(iter(chat.stream(loop)))
    assert (stamp_of(kept)["answered_by"], stamp_of(kept)["id"]) == (
        "clerk",
        stamp_of(first)["id"],
    )


@pytest.mark.parametrize(
    "turn",
    [HumanMessage(CODE), ChatMessage(role="user", content=CODE)],
)
def test_a_new_turn_is_decided_anew(turn):
    chat, first = _failed_first()
    assert stamp_of(chat.invoke([HumanMessage(CODE), first, turn]))["model"] == "coder"


def test_a_turn_that_a_harness_wrote_is_no_new_turn():
    chat, first = _failed_first()
    reminder = HumanMessage("<system-reminder>Be brief.</system-reminder>")
    assert stamp_of(chat.invoke([*_loop(first), reminder]))["answered_by"] == "clerk"


def test_with_sticky_call_nothing_is_kept():
    models = stubs(coder={"fails": TimeoutError()})
    chat = routed(models, sticky="call")
    first = chat.invoke([HumanMessage(CODE)])
    models["coder"].fails = None
    assert stamp_of(chat.invoke(_loop(first)))["answered_by"] == "coder"


@pytest.mark.parametrize(
    ("sticky", "model"), [("call", "poet"), ("turn", "poet"), ("thread", "coder")]
)
def test_what_a_choice_rests_on(sticky, model):
    history = [HumanMessage(CODE), AIMessage("Done."), HumanMessage(POEM)]
    assert stamp_of(routed(sticky=sticky).invoke(history))["model"] == model
    assert stamp_of(routed(pool=pool_of(router={"sticky": sticky})).invoke(history))["model"] == (
        model
    )


def test_the_field_goes_before_the_pool():
    history = [HumanMessage(CODE), AIMessage("Done."), HumanMessage(POEM)]
    chat = routed(pool=pool_of(router={"sticky": "thread"}), sticky="turn")
    assert stamp_of(chat.invoke(history))["model"] == "poet"


def test_all_of_a_thread_limits_who_may_answer():
    """The choice rests on the first turn, and the window on everything."""
    pool = pool_of(router={"sticky": "thread"}, coder={"context_window": 60})
    history = [HumanMessage(CODE), AIMessage("x" * 200), HumanMessage(CODE)]
    assert stamp_of(routed(pool=pool).invoke(history))["ranking"] == ["clerk", "poet"]


def test_a_kept_model_that_can_no_longer_answer_is_left():
    pool = pool_of(coder={"context_window": 100})
    chat = routed(pool=pool)
    first = chat.invoke([HumanMessage(CODE)])
    assert stamp_of(first)["answered_by"] == "coder"
    loop = [*_loop(first)[:2], ToolMessage("x" * 400, tool_call_id="1")]
    stamp = stamp_of(chat.invoke(loop))
    assert (stamp["answered_by"], stamp["ranking"]) == ("clerk", ["clerk", "poet"])
    assert stamp["id"] != stamp_of(first)["id"]


def test_the_ranking_of_a_kept_decision_holds_only_who_may_still_answer():
    pool = pool_of(clerk={"context_window": 100})
    models = stubs()
    chat = routed(models, pool=pool)
    first = chat.invoke([HumanMessage(CODE)])
    models["coder"].fails = TimeoutError()
    loop = [*_loop(first)[:2], ToolMessage("x" * 400, tool_call_id="1")]
    stamp = stamp_of(chat.invoke(loop))
    assert (stamp["answered_by"], [each["model"] for each in stamp["failed"]]) == (
        "poet",
        ["coder"],
    )
    assert models["clerk"].seen == []


def test_a_named_model_goes_before_a_kept_one():
    chat, first = _failed_first()
    assert stamp_of(chat.invoke(_loop(first), model="poet"))["answered_by"] == "poet"


@pytest.mark.parametrize(
    "stamp",
    [
        "coder", 7, None, {}, {"model": "poet"}, {"model": "nobody", "ranking": ["nobody"]},
        ["poet"], {"model": ["poet"]},
    ],
)  # fmt: skip
def test_a_stamp_of_somebody_else_is_passed_over(chat, stamp):
    answer = AIMessage("Hm.", response_metadata={"knnrouter": stamp}, tool_calls=[CALL])
    assert stamp_of(chat.invoke(_loop(answer)))["model"] == "coder"


def test_a_stamp_with_one_wrong_value_is_passed_over(chat):
    answer = chat.invoke(POEM)
    for key in ("model", "ranking", "scores", "similarity", "elapsed_ms"):
        broken = copy.deepcopy(stamp_of(answer))
        broken[key] = object()
        wrong = answer.model_copy(update={"response_metadata": {"knnrouter": broken}})
        assert stamp_of(chat.invoke(_loop(wrong)))["model"] == "coder", key


def test_an_answer_of_another_model_in_between_is_decided_anew():
    chat, first = _failed_first()
    other = AIMessage("Somebody else.", tool_calls=[CALL])
    loop = [*_loop(first), other, ToolMessage("Nothing.", tool_call_id="1")]
    assert stamp_of(chat.invoke(loop))["answered_by"] == "coder"


# Whatever follows the user's turn.

TEXTS = st.sampled_from([CODE, POEM, "Write an ode in C.", "do it", "Hello there, friend."])
ASKED = st.builds(HumanMessage, TEXTS)
ANSWERED = st.builds(AIMessage, TEXTS)
CALLED = st.builds(lambda text: AIMessage(text, tool_calls=[CALL]), TEXTS)
TOOL = st.builds(lambda text: ToolMessage(text, tool_call_id="1"), TEXTS)
SYSTEM = st.builds(SystemMessage, TEXTS)
ANY = st.lists(st.one_of(ASKED, ANSWERED, CALLED, TOOL, SYSTEM), max_size=6)
AFTER = st.lists(st.one_of(ANSWERED, CALLED, TOOL), max_size=6)
CHAT = routed()


def _decided(history):
    stamp = stamp_of(CHAT.invoke(history))
    return {key: stamp[key] for key in ("model", "ranking", "scores", "similarity")}


@settings(max_examples=60, deadline=None)
@given(before=ANY, asked=ASKED, after=AFTER)
def test_what_follows_the_last_user_turn_decides_nothing(before, asked, after):
    assert _decided([*before, asked, *after]) == _decided([*before, asked])


@settings(max_examples=60, deadline=None)
@given(first=ASKED, after=ANY)
def test_what_follows_the_first_user_turn_decides_nothing_of_a_thread(first, after):
    assert routed_part([first, *after], "thread") == [first]
    decisions = [
        evidence().route(routed_part(history, "thread")).model
        for history in ([first], [first, *after])
    ]
    assert decisions[0] == decisions[1]


@settings(max_examples=60, deadline=None)
@given(before=ANY, asked=ASKED, after=AFTER)
def test_the_routed_part_ends_with_the_last_user_turn(before, asked, after):
    assert routed_part([*before, asked, *after], "turn") == [*before, asked]
    whole = [*before, asked, *after]
    assert routed_part(whole, "call") is whole


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(st.tuples(ASKED, AFTER), min_size=1, max_size=3))
def test_one_decision_a_turn_whatever_the_tools_do(turns):
    """The loop of an agent: each answer of the router goes into the history."""
    history = []
    for asked, after in turns:
        history.append(asked)
        kept = set()
        for _ in range(len(after) + 1):
            answer = CHAT.invoke(history)
            kept.add(stamp_of(answer)["id"])
            history += [answer, ToolMessage("Nothing.", tool_call_id="1")]
        assert len(kept) == 1


@settings(max_examples=30, deadline=None)
@given(histories=st.lists(st.tuples(ANY, ASKED, AFTER), min_size=1, max_size=5))
def test_batches_decide_as_single_calls(histories):
    given_ = [[*before, asked, *after] for before, asked, after in histories]
    together = [told(stamp_of(answer)) for answer in CHAT.batch(given_)]
    alone = [told(stamp_of(CHAT.invoke(history))) for history in given_]
    assert [each["ranking"] for each in together] == [each["ranking"] for each in alone]
    for one, other in zip(together, alone, strict=True):
        assert one["similarity"] == pytest.approx(other["similarity"], abs=1e-6)
        assert [one["scores"][name] for name in NAMES] == pytest.approx(
            [other["scores"][name] for name in NAMES], abs=1e-6
        )
