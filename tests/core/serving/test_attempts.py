"""Who is asked after a failure, and which errors are no failure of a model."""

import asyncio
import logging

import pytest

from knnrouter.errors import EmptyPoolError, KnnRouterError, PolicyError
from knnrouter.serving import Answer, Attempts, Failure

NAMES = ("small", "medium", "large")


class InterruptError(Exception):
    """A framework's way to leave, and no failure."""


class Models:
    """Answers by name; where an error is set, raises it; remembers who was asked."""

    def __init__(self, **errors):
        self.errors, self.asked = errors, []

    def __call__(self, name):
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]
        return f"{name} answers"

    async def awaited(self, name):
        await asyncio.sleep(0)
        return self(name)


@pytest.fixture(params=["ask", "aask"])
def ask(request):
    """Asks models in turn, awaited or not."""

    def run(attempts, names, models):
        if request.param == "ask":
            return attempts.ask(names, models)
        return asyncio.run(attempts.aask(names, models.awaited))

    return run


def test_the_first_answers(ask):
    models = Models()
    assert ask(Attempts(), NAMES, models) == Answer("small answers", "small", ())
    assert models.asked == ["small"]


def test_the_next_in_turn_answers(ask):
    models = Models(small=TimeoutError("slow"), medium=ConnectionError("gone"))
    assert ask(Attempts(), NAMES, models) == Answer(
        "large answers",
        "large",
        (Failure("small", "TimeoutError"), Failure("medium", "ConnectionError")),
    )
    assert models.asked == ["small", "medium", "large"]


def test_an_empty_answer_is_an_answer(ask):
    attempts = Attempts()

    class Silent(Models):
        def __call__(self, name):
            super().__call__(name)

    models = Silent()
    assert ask(attempts, NAMES, models) == Answer(None, "small", ())
    assert models.asked == ["small"]


def test_the_last_ones_error_is_raised_as_it_is(ask, caplog):
    last = ConnectionError("gone")
    models = Models(small=TimeoutError(), medium=TimeoutError(), large=last)
    with pytest.raises(ConnectionError) as caught:
        ask(Attempts(), NAMES, models)
    assert caught.value is last
    assert models.asked == ["small", "medium", "large"]
    assert len(caplog.records) == 2  # after the last nobody is asked


def test_one_name_is_asked_once(ask, caplog):
    models = Models(small=TimeoutError())
    with pytest.raises(TimeoutError):
        ask(Attempts(), ("small",), models)
    assert (models.asked, caplog.records) == (["small"], [])


def test_only_the_stated_errors_let_the_next_answer(ask):
    attempts = Attempts(fallback_on=(TimeoutError, ConnectionError))
    models = Models(small=ConnectionResetError())  # of a stated kind
    assert ask(attempts, NAMES, models).model == "medium"
    other = ValueError("no such parameter")
    models = Models(small=other)
    with pytest.raises(ValueError, match="no such parameter") as caught:
        ask(attempts, NAMES, models)
    assert caught.value is other
    assert models.asked == ["small"]
    with pytest.raises(TimeoutError):
        ask(Attempts(fallback_on=()), NAMES, Models(small=TimeoutError()))


@pytest.mark.parametrize("error", [PolicyError("no"), EmptyPoolError("none left")])
def test_mistakes_in_the_setting_are_no_failure_of_a_model(ask, error):
    for attempts in (Attempts(), Attempts(fallback_on=(KnnRouterError,))):
        models = Models(small=error)
        with pytest.raises(type(error)) as caught:
            ask(attempts, NAMES, models)
        assert caught.value is error
        assert models.asked == ["small"]


def test_signals_are_let_through(ask, caplog):
    attempts = Attempts(let_through=lambda error: isinstance(error, InterruptError))
    models = Models(small=TimeoutError(), medium=InterruptError("interrupt"))
    with pytest.raises(InterruptError, match="interrupt"):
        ask(attempts, NAMES, models)
    assert models.asked == ["small", "medium"]
    assert [record.args[0] for record in caplog.records] == ["small"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_is_no_exception_ends_it(error):
    models = Models(small=error())
    with pytest.raises(error):
        Attempts().ask(NAMES, models)
    assert models.asked == ["small"]


async def test_a_cancellation_asks_nobody_else():
    asked, started = [], asyncio.Event()

    async def never(name):
        asked.append(name)
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Attempts().aask(NAMES, never))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked == ["small"]


def test_the_log_names_the_model_and_the_type_and_quotes_nothing(ask, caplog):
    models = Models(small=ValueError("bad prompt: my secret diary"))
    answer = ask(Attempts(), NAMES, models)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("knnrouter.serving.attempts", logging.WARNING)
    told = "small failed (ValueError); the next model in the ranking is asked"
    assert record.getMessage() == told
    assert record.exc_info is None
    assert "secret" not in repr(answer) + caplog.text


def test_a_failure_is_a_name_and_a_type():
    assert Attempts().failure("small", TimeoutError("x")) == Failure("small", "TimeoutError")
    error = PolicyError("no")
    with pytest.raises(PolicyError) as caught:
        Attempts().failure("small", error)
    assert caught.value is error


def test_hooks_are_not_shown():
    assert "let_through" not in repr(Attempts(let_through=lambda error: False))
