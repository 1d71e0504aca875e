"""What text is routed on: every shape of query, the short follow-up, text that is not there."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import NoTextError, QueryError
from knnrouter.text import content_words, read_query, routed_part, routing_text
from knnrouter.text.conversation import messages_of, read_conversation

ASK = "How do I sort a large list of numbers in Rust?"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


# Objects shaped as the frameworks shape theirs.


@dataclass
class LangChainMessage:
    type: str
    content: object
    tool_calls: list = field(default_factory=list)
    additional_kwargs: dict = field(default_factory=dict)


@dataclass
class PromptValue:
    messages: list

    def to_messages(self):
        return self.messages


class Role(StrEnum):
    USER = "user"
    CHATBOT = "chatbot"


@dataclass
class LlamaBlock:
    text: str | None = None
    block_type: str = "text"


@dataclass
class LlamaMessage:
    role: Role
    blocks: list
    additional_kwargs: dict = field(default_factory=dict)

    @property
    def content(self):
        return "\n".join(block.text for block in self.blocks if block.text)


@dataclass
class QueryBundle:
    query_str: str


SHAPES = {
    "text": ASK,
    "text with outer white space": f"\n  {ASK} \t",
    "byte order mark free text, CRLF": f"{ASK}\r\n",
    "messages": [{"role": "system", "content": "Be brief."}, user(ASK)],
    "blocks": [user([{"type": "text", "text": ASK}])],
    "OpenAI Responses": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASK}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "name": "f", "arguments": '{"a": 1}', "call_id": "1"},
        {"type": "function_call_output", "call_id": "1", "output": "42"},
    ],
    "Anthropic tool loop": [
        user(ASK),
        assistant([{"type": "tool_use", "id": "1", "name": "run", "input": {"code": "x"}}]),
        user([{"type": "tool_result", "tool_use_id": "1", "content": "Sorted in 3 ms."}]),
    ],
    "OpenAI tool loop": [
        user(ASK),
        assistant(None, tool_calls=[{"function": {"name": "run", "arguments": "{}"}}]),
        {"role": "tool", "tool_call_id": "1", "content": "Sorted in 3 ms."},
    ],
    "Gemini": [{"role": "user", "parts": [{"text": ASK}]}, {"role": "model", "parts": []}],
    "pairs": [("system", "Be brief."), ("human", ASK), ("ai", "Use sort_unstable.")],
    "pairs as lists": [["system", "Be brief."], ["user", ASK]],
    "one pair": ("user", ASK),
    "one message": user(ASK),
    "a dict of messages": {"messages": [user(ASK)], "thread": 1},
    "an Anthropic request": {"system": "Be brief.", "messages": [user(ASK)]},
    "input": {"input": ASK},
    "query": {"query": ASK, "k": 3},
    "question": {"question": ASK},
    "prompt": {"prompt": ASK},
    "text key": {"type": "question", "text": ASK},
    "input of messages": {"input": [user(ASK)]},
    "LangChain": [LangChainMessage("system", "Be brief."), LangChainMessage("human", ASK)],
    "LangChain chunk": [LangChainMessage("HumanMessageChunk", ASK)],
    "one LangChain message": LangChainMessage("human", [{"type": "text", "text": ASK}]),
    "LangChain prompt value": PromptValue([LangChainMessage("human", ASK)]),
    "LlamaIndex": [LlamaMessage(Role.USER, [LlamaBlock(ASK)]), LlamaMessage(Role.CHATBOT, [])],
    "LlamaIndex query bundle": QueryBundle(ASK),
    "str blocks": [user([ASK])],
    "one block": [user({"type": "text", "text": ASK})],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_text(shape):
    assert routing_text(SHAPES[shape]) == ASK


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (None, "type `NoneType`"),
        (3.5, "type `float`"),
        (b"bytes", "type `bytes`"),
        (object(), "type `object`"),
        ({"a": 1, "b": 2}, "keys 'a', 'b'"),
        ({}, "keys none"),
        ({"input": None}, "type `NoneType`"),
        (["one", "two"], "message 0 is a bare str"),
        ([user("a"), 7], "message 1 is a int without a role"),
        ([{"content": "a"}], "message 0 is a dict without a role"),
        ([("usr", "a")], "message 0 has the role 'usr'"),
        ([("user", "a", "b")], "message 0 is a tuple that is no (role, text) pair"),
        ([user(5)], "the content of message 0 is a int"),
    ],
)
def test_unknown_shapes_are_named_with_what_is_allowed(query, says):
    with pytest.raises(QueryError) as caught:
        read_query(query)
    assert says in str(caught.value)
    allowed = ("allowed are", "the roles are", "a message has", "pass one text as a str")
    assert any(words in str(caught.value) for words in allowed)


def test_a_long_word_in_the_place_of_a_role_is_not_repeated_in_full():
    with pytest.raises(QueryError) as caught:
        read_query([("x" * 1000, "a")])
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("turns", [0, -1, 1.0, True, "last", None])
def test_turns_is_a_count_or_all(turns):
    with pytest.raises(QueryError, match="allowed are a whole number >= 1 and 'all'"):
        routing_text(ASK, turns=turns)


# Which turns


HISTORY = [
    {"role": "system", "content": "You are a poet."},
    user("Write a Python program that parses dates."),
    assistant("import datetime"),
    user("Now translate all comments to formal German."),
    assistant("Gern."),
    user("Explain how daylight saving changes are handled there."),
]


def test_by_default_the_last_user_turn():
    assert routing_text(HISTORY) == "Explain how daylight saving changes are handled there."


def test_the_last_turns_in_their_order():
    assert routing_text(HISTORY, turns=2) == (
        "Now translate all comments to formal German.\n"
        "Explain how daylight saving changes are handled there."
    )
    assert routing_text(HISTORY, turns=9).startswith("Write a Python program")
    assert "import" not in routing_text(HISTORY, turns=9)


def test_the_whole_conversation_is_what_user_and_assistant_said():
    tools = [assistant("", tool_calls=[{"a": "secret"}]), {"role": "tool", "content": "output"}]
    assert routing_text([*HISTORY, *tools], turns="all") == (
        "Write a Python program that parses dates.\nimport datetime\n"
        "Now translate all comments to formal German.\nGern.\n"
        "Explain how daylight saving changes are handled there."
    )


@pytest.mark.parametrize(
    ("last", "joined"),
    [
        ("and in Python?", True),  # python
        ("commit it", True),  # commit
        ("Yes, please do so. Thank you!", True),  # none
        ("compile with gcc", True),  # compile gcc
        ("fix the failing unit tests", False),  # fix failing unit tests: four
        ("fix failing unit", True),  # three
        ("12 * 7 + 1?", True),
        ("继续", True),
        ("好的，谢谢", True),
        ("什么是量子纠缠", False),  # seven characters: four words
        ("相対性理論を説明して", False),
        ("양자 얽힘을 설명해 주세요", False),
        ("🙂", True),
    ],
)
def test_a_turn_under_four_content_words_is_read_with_the_one_before(last, joined):
    history = [user("Sort this list."), assistant("Done."), user(last)]
    query = read_query(history)
    assert query.text == (f"Sort this list.\n{last}" if joined else last)
    assert bool(query.notes) == joined
    assert all("fewer than 4 content words" in note for note in query.notes)


def test_the_first_turn_has_none_before_it():
    assert read_query([user("hi")]).text == "hi"
    assert read_query([user("hi")]).notes == ()
    assert read_query([user([IMAGE]), assistant("A cat."), user("why?")]).text == "why?"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Please, could you do it for me?", 0),
        ("don't", 0),
        ("def f(x): return x", 5),
        ("量", 1),
        ("量子", 1),
        ("量子纠", 2),
        ("用Python写排序", 2),  # one run: four such characters, the Latin word rides along
        ("Prove Fermat", 2),
    ],
)
def test_content_words(text, count):
    assert content_words(text) == count
    assert content_words(text, at_most=1) == min(count, 1)


# Boilerplate


def test_harness_blocks_and_trailers_stay_out():
    reminder = {"type": "text", "text": "<system-reminder>Use tools.</system-reminder>"}
    assert routing_text([user([reminder, {"type": "text", "text": ASK}])]) == ASK
    assert routing_text(f"{ASK}\nA. sort\nB. heap\nAnswer:") == f"{ASK}\nA. sort\nB. heap"


def test_a_turn_of_harness_text_alone_is_not_the_users():
    noise = user("<environment_details>12:00</environment_details>")
    query = read_query([user(ASK), assistant("Well."), noise])
    assert query.text == ASK
    assert query.notes == ("skipped 1 user turn(s) of harness text alone",)


REACT = "Thought: I look it up.\nAction: weather\nAction Input: {'city': 'Oslo'}"


def test_what_an_agent_of_text_observes_is_not_the_users():
    loop = [user(ASK), assistant(REACT), user("Observation: int i;")]
    assert routing_text(loop) == ASK
    assert routed_part(loop, "turn") == loop[:1]
    assert routing_text([*loop, assistant("Rain."), user("Reverse this text.")]) != ASK


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("What do you see?", "Observation: blue sky, calm sea, two gulls, one red boat."),
        (REACT, "My observation: blue sky, calm sea, two gulls, one red boat."),
    ],
)
def test_what_a_user_observes_is_the_users(before, said):
    assert routing_text([user(ASK), assistant(before), user(said)]) == said


def test_harness_text_alone_is_routed_on_where_there_is_nothing_else():
    noise = "<environment_details>12:00</environment_details>"
    assert routing_text([user(noise)]) == noise


# What is not there


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ([], "empty"),
        ({"messages": []}, "empty"),
        ([{"role": "system", "content": "Be brief."}], "empty"),
        ([user(None)], "empty"),
        ([user(ASK), assistant("Yes."), user("")], "empty"),
        ([user([IMAGE])], "image_only"),
        ([user([{"type": "text", "text": " "}, IMAGE])], "image_only"),
        ([user(ASK), assistant("Yes."), user([IMAGE])], "image_only"),
        ([user([{"type": "image", "source": {"media_type": "image/png"}}])], "image_only"),
        ([user([{"type": "input_image", "image_url": "x"}])], "image_only"),
        ([{"role": "user", "parts": [{"inline_data": {"mime_type": "image/png"}}]}], "image_only"),
        ([user([{"image": {"format": "png", "source": {"bytes": ""}}}])], "image_only"),
        ([LlamaMessage(Role.USER, [LlamaBlock(block_type="image")])], "image_only"),
    ],
)
def test_missing_text_is_named_never_replaced(query, kind):
    for turns in (1, 2):
        read = read_query(query, turns=turns)
        assert (read.kind, read.text) == (kind, "")
        with pytest.raises(NoTextError, match="routing needs words") as caught:
            routing_text(query, turns=turns)
        assert caught.value.kind == kind


def test_an_image_with_words_is_text():
    query = read_query([user([IMAGE, {"type": "text", "text": "What breed of dog is that?"}])])
    assert (query.kind, query.text) == ("text", "What breed of dog is that?")


def test_blocks_without_text_are_noted():
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA"}}
    query = read_query([user([audio, audio, {"type": "text", "text": ASK}])])
    assert query.text == ASK
    assert query.notes == (
        "left out 2 content block(s) of type `input_audio`: no text to route on",
    )
    assert query.prompt_bytes == len(ASK)


# Needs and size


SHOT = {"type": "tool_result", "content": [{"type": "image", "source": {"data": "AAAA"}}]}


@pytest.mark.parametrize(
    ("query", "needs"),
    [
        (ASK, set()),
        ("Call the tool `search` and look at image.png", set()),
        ([user([IMAGE]), assistant("A cat."), user(ASK)], {"vision"}),
        ([user(ASK), assistant(None, tool_calls=[{"name": "f"}])], {"tools"}),
        ([user(ASK), assistant("", tool_calls=[])], set()),
        ([user(ASK), assistant([{"type": "tool_use", "name": "f", "input": {}}])], {"tools"}),
        ([user(ASK), user([SHOT])], {"tools", "vision"}),
        ([user(ASK), {"role": "tool", "content": "7"}], {"tools"}),
        ([LangChainMessage("human", ASK), LangChainMessage("tool", "7")], {"tools"}),
        ([LangChainMessage("ai", "", [{"name": "f", "args": {}}])], {"tools"}),
        (
            [LlamaMessage(Role.CHATBOT, [], {"tool_calls": [{"name": "f"}]})],
            {"tools"},
        ),
        # "image" as a word of a tool call is no picture.
        ([assistant([{"type": "tool_use", "input": {"image": {"name": "alpine"}}}])], {"tools"}),
    ],
)
def test_needs_come_from_the_history_never_from_the_words(query, needs):
    assert read_query(query).needs == needs


def test_a_screenshot_of_a_tool_is_no_image_only_turn():
    assert routing_text([user(ASK), assistant("Let me look."), user([SHOT])]) == ASK


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("abc", 3),
        (" né ", 5),
        ("量子", 6),
        ("\ud800", 3),
        ([{"role": "system", "content": "abcd"}, user("ab"), assistant("abc")], 9),
        ({"system": "abcd", "messages": [user("ab")]}, 6),
        ([user([IMAGE, {"type": "text", "text": "ab"}])], 2),
        ([assistant(None, tool_calls=[{"name": "ab", "n": 12}])], len("nameabn12")),
        # The calls beside the content repeat the block within it: counted once.
        (
            [assistant([{"type": "tool_use", "name": "ab"}], tool_calls=[{"name": "ab"}])],
            len("typetool_usenameab"),
        ),
        ([user([{"type": "tool_result", "content": "abc"}])], len("typetool_resultcontentabc")),
        # Image data is no text, within a tool's result or without.
        ([user([SHOT])], len("typetool_resultcontent")),
        ([assistant([{"type": "thinking", "thinking": "abcde", "signature": "s"}])], 5),
    ],
)
def test_prompt_bytes_count_all_text(query, size):
    assert read_query(query).prompt_bytes == size


def test_a_tool_result_without_end_is_an_error():
    nested = "x"
    for _ in range(100):
        nested = [nested]
    with pytest.raises(QueryError, match="more than 40 levels deep"):
        read_query([user([{"type": "tool_result", "content": nested}])])


# Properties


TEXTS = st.text(max_size=40)
MESSAGES = st.lists(
    st.builds(
        lambda role, text: {"role": role, "content": text},
        st.sampled_from(["user", "assistant", "system", "tool"]),
        TEXTS,
    ),
    max_size=6,
)


@given(MESSAGES)
def test_text_comes_from_user_turns_alone(messages):
    query = read_query(messages)
    assert query.prompt_bytes == sum(len(message["content"].encode()) for message in messages)
    assert (query.kind == "text") == bool(query.text)
    said = "\n".join(message["content"] for message in messages if message["role"] == "user")
    rest = iter(said)
    assert all(char in rest for char in query.text if not char.isspace())


@given(MESSAGES)
def test_blocks_pairs_and_json_read_as_plain_messages_do(messages):
    blocks = [
        {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}
        for message in messages
    ]
    pairs = [(message["role"], message["content"]) for message in messages]
    plain = read_conversation(messages)
    assert read_conversation(blocks) == plain
    assert read_conversation(pairs) == plain
    assert read_conversation(json.loads(json.dumps(messages))) == plain


@given(TEXTS)
def test_a_text_reads_as_its_one_message_does(text):
    assert read_query(text) == read_query([user(text)])


# Time


@pytest.mark.parametrize("unit", ["the ", "量", "a", " ", "<task>", "Answer:\n", "'", "\n"])
def test_a_million_characters_are_read_in_linear_time(unit):
    """Linear work grows 10-fold from 100,000 to 1,000,000 characters, a square law 100-fold."""

    def seconds(size):
        history = [user("before"), user("x\n" + unit * (size // len(unit)))]
        start = time.process_time()
        read_query(history)
        return time.process_time() - start

    base = max(min(seconds(100_000) for _ in range(3)), 0.002)
    assert min(seconds(1_000_000) for _ in range(2)) <= 35 * base


# The part that a choice rests on


HARNESS = user("<system-reminder>Be brief.</system-reminder>")
CALL = assistant(None, tool_calls=[{"id": "1", "function": {"name": "run", "arguments": "{}"}}])
RESULT = {"role": "tool", "content": "42", "tool_call_id": "1"}
ANTHROPIC_RESULT = user([{"type": "tool_result", "tool_use_id": "1", "content": "42"}])
AGAIN = user("How do I sort a list of words in Python?")
SYSTEM = {"role": "system", "content": "Be kind."}


@pytest.mark.parametrize(
    ("history", "turn", "thread"),
    [
        ([user(ASK)], 1, 1),
        ([SYSTEM, user(ASK), assistant("So.")], 2, 2),
        ([user(ASK), CALL, RESULT], 1, 1),
        ([user(ASK), CALL, ANTHROPIC_RESULT], 1, 1),
        ([user(ASK), assistant("So."), AGAIN, CALL, RESULT, CALL, RESULT], 3, 1),
        ([user(ASK), assistant("So."), AGAIN, CALL, ANTHROPIC_RESULT], 3, 1),
        ([user(ASK), assistant("So."), HARNESS], 1, 1),
        ([HARNESS, user(ASK), assistant("So."), HARNESS, AGAIN, HARNESS], 5, 2),
        ([HARNESS, assistant("So."), HARNESS, CALL], 3, 1),  # nobody else spoke
        ([user(ASK), CALL, user([*ANTHROPIC_RESULT["content"], {"type": "text", "text": "Go"}])],
         3, 1),  # he adds a word of his own
        ([user([IMAGE]), assistant("A cat.")], 1, 1),
    ],
)  # fmt: skip
def test_the_part_up_to_a_user_turn(history, turn, thread):
    assert routed_part(history, "turn") == history[:turn]
    assert routed_part(history, "thread") == history[:thread]
    assert routed_part(history, "call") is history


@pytest.mark.parametrize("sticky", ["call", "turn", "thread"])
@pytest.mark.parametrize(
    "query",
    [
        ASK,
        [user(ASK)],
        user(ASK),
        ("user", ASK),
        {"messages": [user(ASK)]},
        {"input": ASK},
        QueryBundle(ASK),
        PromptValue([LangChainMessage("human", ASK)]),
        [],
        [SYSTEM],
        [assistant("So.")],
        {"messages": [SYSTEM, assistant("So.")]},
    ],
)
def test_the_query_itself_where_nothing_follows_or_nobody_asked(query, sticky):
    assert routed_part(query, sticky) is query


@pytest.mark.parametrize(
    "wrap",
    [
        lambda history: {"messages": history},
        lambda history: {"input": history},
        lambda history: {"messages": {"messages": history}},
        tuple,
        PromptValue,
        lambda history: {"messages": PromptValue(history)},
    ],
)
def test_the_part_of_other_shapes_is_its_messages(wrap):
    history = [user(ASK), assistant("So."), AGAIN, CALL, RESULT]
    assert routed_part(wrap(history), "turn") == history[:3]
    assert routed_part(wrap(history), "thread") == history[:1]


def test_the_system_text_beside_the_messages_comes_first():
    history = [user(ASK), assistant("So.")]
    given = {"system": "Be kind.", "messages": history}
    assert routed_part(given, "turn") == [SYSTEM, user(ASK)]


def test_the_messages_of_the_part_are_the_ones_that_were_given():
    history = [LangChainMessage("human", ASK), LangChainMessage("ai", "So.")]
    (kept,) = routed_part(history, "turn")
    assert kept is history[0]
    assert len(history) == 2


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ((message for message in [user(ASK)]), "a query of type `generator` is not understood"),
        ({"messages": iter([user(ASK)])}, "a query of type `list_iterator` is not understood"),
        ({"nothing": 1}, "a dict with the keys 'nothing' is not understood"),
        (None, "a query of type `NoneType` is not understood"),
        ([user(ASK), "bare"], "message 1 is a bare str, and nothing says whose"),
        ([{"role": "judge", "content": "x"}, user(ASK)], "message 0 has the role 'judge'"),
    ],
)
def test_a_part_of_a_shape_that_is_not_understood(query, says):
    for sticky in ("turn", "thread"):
        with pytest.raises(QueryError, match=re.escape(says)):
            routed_part(query, sticky)
    assert routed_part(query, "call") is query  # whoever routes on it says what is wrong


SAID = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant", "system", "tool"]),
        st.sampled_from(["Sort numbers in Rust quickly.", "do it", "", HARNESS["content"]]),
    ),
    max_size=7,
)


@given(history=SAID)
def test_the_part_of_the_turn_says_what_the_whole_says(history):
    part, whole = read_query(routed_part(history, "turn")), read_query(history)
    assert (part.text, part.kind) == (whole.text, whole.kind)
    assert routed_part(routed_part(history, "turn"), "turn") == routed_part(history, "turn")


@given(history=SAID, more=SAID.map(lambda said: [(role, text) for role, text in said
                                                 if role != "user"]))  # fmt: skip
def test_what_follows_changes_no_part_that_sticks(history, more):
    asked = any(role == "user" for role, _ in history)
    for sticky in ("turn", "thread"):
        if asked:
            assert routed_part([*history, *more], sticky) == routed_part(history, sticky)


def test_messages_of():
    history = [user(ASK), assistant("So.")]
    assert messages_of(history) is history
    assert messages_of(ASK) == [("user", ASK)]
    assert messages_of(("user", ASK)) == [("user", ASK)]
    assert messages_of(user(ASK)) == [user(ASK)]
    assert messages_of({"input": ASK}) == [("user", ASK)]
    assert messages_of(QueryBundle(ASK)) == [("user", ASK)]
    assert messages_of(PromptValue(history)) is history
    assert messages_of({"messages": history, "system": "Be kind."}) == [SYSTEM, *history]
    assert len(history) == 2
    with pytest.raises(QueryError, match="a query of type `bytes` is not understood"):
        messages_of(b"x")
