"""A value is made late and once, whoever asks; a failure is not kept."""

import concurrent.futures
import re
import threading

import pytest

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.errors import MissingRouterError, PoolError
from knnrouter.serving import Lazy, LazyRouter, loaded

ROWS = [
    {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
    {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
]
POOL = """
router: {index: ./saved, default: coder}
models: [{name: coder}, {name: poet}]
"""


class Maker:
    """Counts how often it is asked; fails as often as it is told to."""

    def __init__(self, *errors):
        self.errors, self.asked = list(errors), 0

    def __call__(self):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return object()


def test_it_is_made_at_the_first_get_and_kept():
    make = Maker()
    lazy = Lazy(make)
    assert make.asked == 0
    assert lazy.get() is lazy.get()
    assert make.asked == 1


def test_none_is_a_value_too():
    made = []
    lazy = Lazy(lambda: made.append("once"))
    assert (lazy.get(), lazy.get(), made) == (None, None, ["once"])


def test_fifty_threads_make_it_once():
    together, make = threading.Barrier(50), Maker()

    def slow():
        threading.Event().wait(0.05)  # so that all the others come to the lock meanwhile
        return make()

    lazy = Lazy(slow)

    def get(_):
        together.wait()
        return lazy.get()

    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        values = list(threads.map(get, range(50)))
    assert make.asked == 1
    assert all(value is values[0] for value in values)


@pytest.mark.parametrize("error", [OSError("no disk"), KeyboardInterrupt()])
def test_a_failure_is_not_kept(error):
    make = Maker(error, type(error)("again"))
    lazy = Lazy(make)
    for _ in range(2):
        with pytest.raises(type(error)):
            lazy.get()
    assert lazy.get() is lazy.get()
    assert make.asked == 3


def test_a_failure_lets_the_next_thread_try():
    make = Maker(OSError("no disk"))
    lazy = Lazy(make)

    def get(_):
        try:
            return lazy.get()
        except OSError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        values = list(threads.map(get, range(8)))
    assert [str(value) for value in values if isinstance(value, OSError)] == ["no disk"]
    assert len({id(value) for value in values if not isinstance(value, OSError)}) == 1
    assert make.asked == 2


def test_it_shows_whether_it_is_made_and_not_what():
    lazy = Lazy(lambda: "sk-secret")
    assert repr(lazy) == "Lazy(not made yet)"
    lazy.get()
    assert repr(lazy) == "Lazy(made)"


def test_loaded():
    thing = object()
    assert loaded(thing) is thing
    assert loaded(Lazy(lambda: thing)) is thing


class TestLazyRouter:
    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "pool.yaml"
        path.write_text(POOL, encoding="utf-8")
        return path

    def test_the_pool_is_read_at_once_and_the_folder_when_it_is_needed(self, file):
        lazy = LazyRouter(file)
        assert lazy.pool == ModelPool.from_yaml(file)
        assert repr(lazy) == "LazyRouter(not made yet)"
        with pytest.raises(MissingRouterError, match=re.escape(str(file.parent / "saved"))):
            lazy.get()
        Router.fit(RecordSet.from_rows(ROWS)).save(file.parent / "saved")
        assert lazy.get().route("Write a sonnet on the moon.").model == "poet"
        assert lazy.get().pool is lazy.pool
        assert lazy.get() is lazy.get()
        assert repr(lazy) == "LazyRouter(made)"

    def test_another_embedder(self, file, monkeypatch):
        asked = []
        monkeypatch.setattr(Router, "load", lambda *args, **more: asked.append((args, more)))
        LazyRouter(str(file), embedder="static").get()
        ((args, more),) = asked
        assert args == (file.parent / "saved",)
        assert more["embedder"] == "static"

    def test_what_is_wrong_with_the_file_is_told_at_once(self, tmp_path):
        file = tmp_path / "pool.yaml"
        with pytest.raises(PoolError, match=r"pool\.yaml"):
            LazyRouter(file)
        file.write_text("models: [{name: coder}]", encoding="utf-8")
        told = (
            f"{file}: router.index is not set; name the folder that `knnrouter build` wrote, "
            "relative to this file"
        )
        with pytest.raises(PoolError, match=f"^{re.escape(told)}$"):
            LazyRouter(file)
