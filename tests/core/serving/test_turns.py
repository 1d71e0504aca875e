"""What is remembered of user turns, and for how long."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from knnrouter.errors import QueryError
from knnrouter.serving import Turns

ASKED = [("system", "Be brief."), ("user", "Rain today?")]
LOOP = [*ASKED, ("assistant", "I look."), ("tool", "It pours.")]
SMALL, LARGE = {"model": "small"}, {"model": "large"}


@pytest.fixture
def turns():
    made = Turns()
    made.put(ASKED, "turn", SMALL)
    return made


def test_what_was_put_holds_while_the_turn_goes_on(turns):
    longer = [*LOOP, ("assistant", "Once more."), ("tool", "It still pours.")]
    assert turns.get(LOOP, "turn") == SMALL
    assert turns.get(longer, "turn") == SMALL


def test_what_is_put_during_the_turn_holds_from_then_on(turns):
    turns.put(LOOP, "turn", LARGE)
    assert turns.get(LOOP, "turn") == LARGE


@pytest.mark.parametrize(
    "query",
    [
        ASKED,
        [*LOOP, ("user", "And tomorrow?")],
        [("system", "Be long."), *LOOP[1:]],
        [("system", "Be blunt."), *LOOP[1:]],  # of equal length
        [("user", "Snow today?"), *LOOP[2:]],
        "Rain today?",
    ],
)
def test_anything_else_begins_a_turn(turns, query):
    assert turns.get(query, "turn") is None


def test_the_same_question_later_in_a_thread_is_another_turn(turns):
    later = [*LOOP, ("assistant", "It pours."), ASKED[1]]
    turns.put(later, "turn", LARGE)
    assert turns.get([*later, LOOP[2]], "turn") == LARGE
    assert turns.get(LOOP, "turn") == SMALL


def test_for_a_thread_the_first_turn_holds(turns):
    later = [*LOOP, ("user", "And tomorrow?")]
    assert turns.get(later, "thread") == SMALL
    turns.put(later, "thread", LARGE)
    assert turns.get(LOOP, "turn") == LARGE


def test_for_calls_nothing_is_found(turns):
    turns.put(LOOP, "call", LARGE)
    assert turns.get(LOOP, "call") is None


def test_an_image_makes_another_turn(turns):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "Rain today?"}
    shown = [{"role": "user", "content": [text, image]}, {"role": "assistant", "content": "Yes."}]
    turns.put([("user", "Rain today?")], "turn", SMALL)
    assert turns.get(shown, "turn") is None


def test_the_oldest_is_forgotten_first():
    turns = Turns(most=2)
    loops = [[("user", text), ("assistant", "I look.")] for text in ("one", "two", "three")]
    turns.put(loops[0], "turn", SMALL)
    turns.put(loops[1], "turn", SMALL)
    turns.put(loops[0], "turn", LARGE)  # the newest again
    turns.put(loops[2], "turn", SMALL)
    assert [turns.get(loop, "turn") for loop in loops] == [LARGE, None, SMALL]


def test_bare_texts_take_no_place():
    """Nothing goes on after them, and they would push tool loops out."""
    turns = Turns(most=1)
    turns.put(ASKED, "turn", SMALL)
    turns.put("Rain today?", "turn", LARGE)
    assert turns.get(LOOP, "turn") == SMALL


def test_no_text_is_kept(turns):
    assert "Rain" not in repr(vars(turns))


def test_text_that_no_encoding_has_is_no_obstacle():
    broken = [("user", "Rain \ud800?")]
    turns = Turns()
    turns.put(broken, "turn", SMALL)
    assert turns.get([*broken, ("assistant", "Yes.")], "turn") == SMALL


def test_what_is_no_conversation_is_an_error(turns):
    with pytest.raises(QueryError):
        turns.get(7, "turn")
    with pytest.raises(QueryError):
        turns.put(7, "turn", SMALL)


def test_threads_may_share_it():
    turns, gate = Turns(most=50), threading.Barrier(8)

    def run(worker):
        gate.wait()
        for place in range(200):
            asked = [("user", f"{worker} {place % 4}")]
            turns.put(asked, "turn", {"model": f"{worker} {place % 4}"})
            found = turns.get([*asked, ("assistant", "Yes.")], "turn")
            if found != {"model": f"{worker} {place % 4}"}:
                return found
        return "right"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(8))) == ["right"] * 8
