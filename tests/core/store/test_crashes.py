"""A crash at any step, and several that save at once: the old router or the new one, whole."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from knnrouter import store
from knnrouter.errors import MissingRouterError, StoreError
from knnrouter.store import folder as disk


class Killed(BaseException):
    """The process is gone; nothing that it would still do is done."""


class Disk:
    """Stands in for the calls that change the disk; fails or dies at the call of a number."""

    def __init__(self, monkeypatch, error, *, at=None, torn=0.5):
        self.calls, self.error, self.at, self.torn = 0, error, at, torn
        for name in ("replace", "unlink", "fsync"):
            monkeypatch.setattr(disk.os, name, self.counted(getattr(os, name)))
        monkeypatch.setattr(disk, "open", self.open, raising=False)

    def step(self):
        """Whether this call is carried out."""
        self.calls += 1
        dead = isinstance(self.error, Killed) and self.at is not None and self.calls > self.at
        if self.calls == self.at or dead:
            raise self.error

    def counted(self, call):
        def act(*arguments):
            self.step()
            return call(*arguments)

        return act

    def open(self, path, mode):
        self.step()
        file = open(path, mode, buffering=0)  # noqa: SIM115  # the caller closes it
        write, this = file.write, self

        class Torn:
            """Half of what is written when the end comes has reached the disk."""

            def write(self, data):
                try:
                    this.step()
                except (Killed, OSError):
                    write(bytes(data)[: int(len(data) * this.torn)])
                    raise
                return write(data)

            def __getattr__(self, name):
                return getattr(file, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

        return Torn()


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """No test here cuts the power, so that nothing need reach the disk; it takes long."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def steps_of(monkeypatch, act):
    with monkeypatch.context() as patch:
        counting = Disk(patch, OSError())
        act()
    return counting.calls


@pytest.mark.parametrize("keep_queries", [True, False])
@pytest.mark.parametrize(
    "error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["killed", "full"]
)
def test_at_every_step_the_old_router_or_the_new_one(
    tmp_path, monkeypatch, make_saved, assert_same, error, keep_queries
):
    old, new = make_saved(1), make_saved(2)
    for name in ("old", "count"):
        store.save(tmp_path / name, old)
    save_new = lambda path: store.save(path, new, keep_queries=keep_queries)  # noqa: E731
    steps = steps_of(monkeypatch, lambda: save_new(tmp_path / "count"))
    assert steps > 30
    outcomes = []
    for at in range(1, steps + 1):
        folder = shutil.copytree(tmp_path / "old", tmp_path / str(at))
        with monkeypatch.context() as patch, pytest.raises((Killed, StoreError)) as caught:
            Disk(patch, error, at=at)
            save_new(folder)
        loaded = store.load(folder, verify="full")
        outcomes.append("old" if loaded.records.ids == old.records.ids else "new")
        if outcomes[-1] == "old":
            assert_same(old, loaded)
            if caught.type is StoreError:
                assert len(os.listdir(folder)) == 8  # nothing of the failed save is left
        else:
            assert_same(new.records.scores, loaded.records.scores)
        assert store.inspect(folder).ok
        save_new(folder)  # the next save is not hindered by what is left
        assert len(os.listdir(folder)) == 8
        raw = b"".join(path.read_bytes() for path in folder.iterdir())
        assert b"SECRET 1" not in raw
        assert (b"SECRET 2" in raw) == keep_queries
    assert outcomes == sorted(outcomes, reverse=True)  # first all old, then all new
    assert set(outcomes) == {"old", "new"}


def test_a_first_save_that_dies_leaves_no_router(tmp_path, monkeypatch, make_saved, assert_same):
    steps = steps_of(monkeypatch, lambda: store.save(tmp_path / "count", make_saved()))
    missing = 0
    for at in range(1, steps + 1):
        folder = tmp_path / str(at)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            Disk(patch, Killed(), at=at)
            store.save(folder, make_saved())
        try:
            assert_same(make_saved(), store.load(folder))
        except MissingRouterError:
            missing += 1
            store.save(folder, make_saved())
            assert_same(make_saved(), store.load(folder))
    assert 0 < missing < steps


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "No space left on device.*still whole: free some space, or save to another"),
        (errno.EACCES, "Permission denied.*still whole: check the path and who may write there"),
    ],
)
def test_what_the_system_refuses_is_told(tmp_path, monkeypatch, make_saved, code, advice):
    Disk(monkeypatch, OSError(code, os.strerror(code)), at=3)
    with pytest.raises(StoreError, match=rf"cannot be written \({advice}"):
        store.save(tmp_path, make_saved())


def test_a_leftover_that_cannot_be_removed_is_named(tmp_path, monkeypatch, make_saved, data_file):
    store.save(tmp_path, make_saved(1))
    old = data_file(tmp_path, "costs").name

    def refuse(path):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(disk.os, "unlink", refuse)
    expected = f"is whole, but {old}, which .* may hold text, could not be removed .*; delete it"
    with pytest.raises(StoreError, match=expected):
        store.save(tmp_path, make_saved(2))
    assert store.load(tmp_path).records.ids == make_saved(2).records.ids


def test_everything_is_on_the_disk_before_it_counts(tmp_path, monkeypatch, make_saved):
    """What a power cut would show: a file is flushed before its rename, names before the next."""
    events = []

    def identity(path):
        found = os.stat(path)
        return found.st_dev, found.st_ino

    replace = os.replace

    def note_replace(source, target):
        events.append(("rename", identity(source), target.name))
        replace(source, target)

    def note_flush(handle):
        events.append(("flush", identity(handle), None))

    monkeypatch.setattr(os, "replace", note_replace)
    monkeypatch.setattr(os, "fsync", note_flush)
    store.save(tmp_path, make_saved())
    assert [kind for kind, *_ in events] == ["flush", "rename"] * 6 + [
        "flush",  # the manifest
        "flush",  # the folder, with the names of the data files
        "rename",
        "flush",  # the folder, with the new manifest
    ]
    for flush, rename in zip(events[0:12:2], events[1:12:2], strict=True):
        assert flush[1] == rename[1]
    assert events[12][1] == events[14][1]
    assert events[13][1] == events[15][1] == identity(tmp_path)
    assert events[14][2] == "manifest.json"


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch, make_saved, assert_same):
    store.save(tmp_path, make_saved(1))
    before = sorted(os.listdir(tmp_path))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        Disk(patch, KeyboardInterrupt(), at=20)
        store.save(tmp_path, make_saved(2))
    assert sorted(os.listdir(tmp_path)) == before
    assert_same(make_saved(1), store.load(tmp_path))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_first_save_that_fails_removes_what_it_made(tmp_path, monkeypatch, make_saved, error):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "new" / "deep"):
        with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, StoreError)):
            Disk(patch, error, at=12)
            store.save(folder, make_saved())
    assert os.listdir(tmp_path) == ["empty"]
    assert os.listdir(tmp_path / "empty") == []


def test_where_nothing_can_be_locked_no_lock_is_left(tmp_path, monkeypatch, make_saved):
    fcntl = pytest.importorskip("fcntl")

    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="No locks available"):
        store.save(tmp_path / "router", make_saved())
    assert os.listdir(tmp_path) == []


def test_who_waited_for_a_first_save_that_fails_saves(
    tmp_path, monkeypatch, make_saved, assert_same
):
    fcntl = pytest.importorskip("fcntl")
    folder, waited, lock = tmp_path / "router", [], fcntl.flock

    def after_another(file, how):
        if not waited:  # the other one has failed, and removed what it had made
            waited.append((folder / ".knnrouter.lock").unlink())
            folder.rmdir()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", after_another)
    store.save(folder, make_saved())
    assert waited == [None]
    assert_same(make_saved(), store.load(folder))
    assert len(list(folder.iterdir())) == 8


def test_threads_that_save_and_load_at_once(tmp_path, make_saved, assert_same):
    routers = {make_saved(seed).records.ids: make_saved(seed) for seed in range(4)}
    store.save(tmp_path, make_saved(0))
    done = threading.Event()

    def check():
        loaded = store.load(tmp_path)
        assert_same(routers[loaded.records.ids], loaded)

    def keep_saving(saved):
        for _ in range(8):
            store.save(tmp_path, saved)

    def keep_loading():
        while not done.is_set():
            check()

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(keep_loading) for _ in range(2)]
        writers = [pool.submit(keep_saving, saved) for saved in routers.values()]
        wait(writers)
        done.set()
        for each in (*writers, *readers):
            each.result()  # raises what happened in the thread
    check()
    assert len(os.listdir(tmp_path)) == 8


def test_inspecting_while_others_save_finds_no_fault(tmp_path, monkeypatch, make_saved):
    """A save that happens between the reading of the manifest and that of the files."""
    store.save(tmp_path, make_saved(1))
    seeds = iter((2, 3))
    from knnrouter.store import inspecting, reading

    real = reading.file_fault

    def slow(path, entry, *, full):
        seed = next(seeds, None)
        if seed is not None:
            store.save(tmp_path, make_saved(seed))
        return real(path, entry, full=full)

    monkeypatch.setattr(inspecting, "file_fault", slow)
    report = store.inspect(tmp_path)
    assert report.ok
    assert report.leftovers == ()
    monkeypatch.setattr(reading, "file_fault", slow)
    seeds = iter((4, 5))
    assert store.load(tmp_path).records.ids == make_saved(5).records.ids


CHILD = """
import sys
import numpy as np
from knnrouter import store
folder, first, second = sys.argv[1:]
routers = [store.load(first), store.load(second)]
print("ready", flush=True)
turn = 0
while True:
    turn += 1
    store.save(folder, routers[turn % 2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_kill_9_in_the_middle_of_saving(tmp_path, make_saved, assert_same):
    routers = {}
    for seed in (1, 2):
        store.save(tmp_path / str(seed), make_saved(seed))
        routers[make_saved(seed).records.ids] = make_saved(seed)
    folder = tmp_path / "router"
    store.save(folder, make_saved(1))
    command = [sys.executable, "-c", CHILD, folder, tmp_path / "1", tmp_path / "2"]
    path = os.pathsep.join(sys.path)
    for delay in (0.003, 0.05, 0.081):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        ) as child:
            assert child.stdout.readline() == b"ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(timeout=delay)
            child.kill()
        loaded = store.load(folder, verify="full")
        assert_same(routers[loaded.records.ids], loaded)
    store.save(folder, make_saved(1))  # the dead have let go of the lock
    assert len(os.listdir(folder)) == 8


LIMITED = """
import resource, sys
from knnrouter import store
from knnrouter.errors import StoreError
folder, other = sys.argv[1:]
new = store.load(other)
old_ids = store.load(folder).records.ids
for limit in range(0, 20_000, 100):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        store.save(folder, new)
    except StoreError as error:
        assert "File too large" in str(error) and "free some space" in str(error), error
    else:
        break
    assert store.load(folder, verify="full").records.ids == old_ids
assert limit > 1000, limit
assert store.load(folder, verify="full").records.ids == new.records.ids
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_disk_that_is_really_full(tmp_path, make_saved):
    for seed in (1, 2):
        store.save(tmp_path / str(seed), make_saved(seed))
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "1", tmp_path / "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
