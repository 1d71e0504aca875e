import json

import pytest

from knnrouter import store
from knnrouter.errors import DamagedStoreError, MissingRouterError, StoreError


@pytest.fixture
def folder(tmp_path, make_saved):
    store.save(tmp_path / "router", make_saved())
    return tmp_path / "router"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_sound_folder(folder):
    (folder / "README.txt").write_text("")
    (folder / "costs-0123456789abcdef.npy").write_text("")
    report = store.inspect(str(folder))
    assert (report.ok, report.faults, report.repairable) == (True, (), False)
    assert report.strangers == ("README.txt",)
    assert report.leftovers == ("costs-0123456789abcdef.npy",)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    files = found.pop("files")
    assert [each["role"] for each in files] == [
        "records",
        "scores",
        "costs",
        "vectors",
        "estimator-task_of",
        "index",
    ]
    assert all(each["fault"] is None for each in files)
    assert found == {
        "folder": str(folder),
        "ok": True,
        "faults": [],
        "repairable": False,
        "leftovers": ["costs-0123456789abcdef.npy"],
        "strangers": ["README.txt"],
        "bytes": sum((folder / each["name"]).stat().st_size for each in files),
        "format_version": 1,
        "knnrouter_version": "0.1.0",
        "embedder": "test-3",
        "dim": 3,
        "models": ["small", "large|x"],
        "rows": 4,
        "tasks": 2,
        "text": True,
        "estimator": {"kind": "knn", "k": 2, "weights": "uniform", "shrinkage": 0.1},
    }


def test_all_faults_are_reported_without_raising(folder, data_file):
    scores, vectors = data_file(folder, "scores"), data_file(folder, "vectors")
    scores.unlink()
    raw = vectors.read_bytes()
    vectors.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    report = store.inspect(folder)
    assert report.faults == (
        f"{scores.name} is missing",
        f"the content of {vectors.name} is not what was written",
    )
    assert not report.ok
    assert not report.repairable
    faulty = {each.role: each.fault for each in report.files if each.fault}
    assert faulty == dict(zip(("scores", "vectors"), report.faults, strict=True))


def test_a_damaged_manifest_is_reported(folder):
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"small", b"smell"))
    (folder / "README.txt").write_text("")
    report = store.inspect(folder)
    assert report.faults[0].startswith(f"{path} is damaged: its bytes do not give its own `sha256`")
    assert report.to_dict()["files"] == []
    assert report.strangers == ("README.txt",)
    with pytest.raises(StoreError, match=r"cannot be repaired: .*only an index can be built again"):
        store.repair(folder)


def test_no_router_is_an_error(tmp_path):
    for look in (store.inspect, store.repair):
        with pytest.raises(MissingRouterError):
            look(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty"])
def test_an_index_is_built_again(folder, data_file, make_saved, assert_same, damage):
    before = contents(folder)
    path = data_file(folder, "index")
    raw = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"cut": raw[:-1], "flipped": b"x" + raw[1:], "empty": b""}[damage])
    with pytest.raises(DamagedStoreError, match=f"knnrouter inspect {folder} --repair"):
        store.load(folder)
    assert store.inspect(folder).repairable
    report = store.repair(folder)
    assert report.ok
    assert_same(make_saved(), store.load(folder))
    assert contents(folder) == before


def test_an_index_that_faiss_cannot_read_is_built_again(
    folder, forge, data_file, make_saved, assert_same
):
    """Its checksum is right, its name changes when it is built again."""
    import hashlib

    name = f"index-{hashlib.sha256(b'?').hexdigest()[:16]}.faiss"
    (folder / name).write_bytes(b"?")

    def edit(content):
        digest = hashlib.sha256(b"?").hexdigest()
        content["files"]["index"] = {"name": name, "size": 1, "sha256": digest}

    forge(folder, edit)
    data_file_before = (folder / name).exists()
    report = store.repair(folder)
    assert (data_file_before, (folder / name).exists()) == (True, False)
    assert report.ok
    assert report.leftovers == ()
    assert_same(make_saved(), store.load(folder))


def test_what_cannot_be_repaired_is_left_alone(folder, data_file):
    for role in ("index", "vectors"):
        data_file(folder, role).write_bytes(b"")
    before = contents(folder)
    with pytest.raises(StoreError) as caught:
        store.repair(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder} cannot be repaired: vectors-")
    assert "index-" in message
    assert message.endswith(f"knnrouter build FILE --out {folder}")
    assert contents(folder) == before


def test_repair_of_a_sound_folder_removes_leftovers_only(folder):
    before = contents(folder)
    (folder / "README.txt").write_text("kept")
    (folder / "unfinished-0123456789abcdef.tmp").write_text("SECRET")
    assert store.repair(folder).ok
    assert contents(folder) == before | {"README.txt": b"kept"}
