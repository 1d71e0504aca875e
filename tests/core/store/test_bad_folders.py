import io
import json
import os

import numpy as np
import pytest

from knnrouter import store
from knnrouter.errors import (
    DamagedStoreError,
    FormatVersionError,
    MissingRouterError,
    StoreError,
)

ROLES = ["records", "scores", "costs", "vectors", "index", "estimator-task_of"]


@pytest.fixture
def folder(tmp_path, make_saved):
    store.save(tmp_path / "router", make_saved())
    return tmp_path / "router"


def test_no_folder_and_no_router(tmp_path):
    with pytest.raises(
        MissingRouterError, match=r"there is no folder .*nowhere; make one with: kn"
    ):
        store.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json, only nothing"):
        store.load(tmp_path)
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (tmp_path / name).write_text("")
    expected = (
        r"only a\.txt, b\.txt, c.txt and more; make one with: knnrouter build FILE --out FOLDER"
    )
    with pytest.raises(MissingRouterError, match=expected):
        store.load(tmp_path)
    with pytest.raises(MissingRouterError, match=r"a\.txt is a file, not the folder of a saved"):
        store.load(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[" * 100_000, b"[1]", b"{}", b'{"manifest_version": 3}', b"null"],
)
def test_a_manifest_of_something_else(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    for look in (store.load, store.inspect, store.repair):
        with pytest.raises(
            MissingRouterError, match=r"manifest\.json is not the manifest of a sav"
        ):
            look(tmp_path)


def test_an_unreadable_manifest(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(StoreError, match=r"manifest\.json cannot be read \(Permission denied\)"):
        store.load(folder)


def test_a_newer_format(folder, make_saved):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    expected = "format version 2, and this version of knnrouter reads up to 1; upgrade it"
    for use in (
        store.load,
        store.inspect,
        store.repair,
        lambda folder: store.save(folder, make_saved(2)),
    ):
        before = {path.name for path in folder.iterdir()}
        with pytest.raises(FormatVersionError, match=expected):
            use(folder)
        assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("verify", ["auto", "full", "fast"])
@pytest.mark.parametrize("role", ROLES)
def test_missing_and_cut_files_are_named(folder, data_file, role, verify):
    path = data_file(folder, role)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    expected = f"{path.name} has {len(whole) - 1:,} bytes, not the {len(whole):,} that were written"
    with pytest.raises(DamagedStoreError, match=expected):
        store.load(folder, verify=verify)
    path.unlink()
    advice = f"inspect {folder} --repair" if role == "index" else f"build FILE --out {folder}"
    with pytest.raises(DamagedStoreError, match=f"{path.name} is missing; .*: knnrouter {advice}"):
        store.load(folder, verify=verify)
    path.mkdir()
    with pytest.raises(DamagedStoreError, match=f"{path.name} is no file"):
        store.load(folder, verify=verify)


@pytest.mark.parametrize("role", ROLES)
def test_a_flipped_byte_anywhere_is_found(folder, data_file, role):
    path = data_file(folder, role)
    whole = path.read_bytes()
    places = sorted({*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1})
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedStoreError, match=f"content of {path.name} is not what was wri"):
            store.load(folder)
    if role == "index":
        with pytest.raises(DamagedStoreError, match=f"knnrouter inspect {folder} --repair"):
            store.load(folder)


def test_a_flipped_byte_of_the_manifest_is_found(folder):
    path = folder / "manifest.json"
    whole = path.read_bytes()
    length = len(whole)
    assert length > 1000
    for place in {*range(100), *range(0, length, 9), *range(length - 80, length)}:
        for flip in (1, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            with pytest.raises(DamagedStoreError, match=r"manifest\.json is damaged"):
                store.load(folder)
    for end in range(0, length, 23):
        path.write_bytes(whole[:end])
        with pytest.raises((DamagedStoreError, MissingRouterError)):
            store.load(folder)
    path.write_bytes(whole)
    store.load(folder)


@pytest.mark.parametrize("role", ROLES)
def test_fast_leaves_contents_but_never_fails_strangely(folder, data_file, role):
    path = data_file(folder, role)
    whole = path.read_bytes()
    places = [place for place in range(len(whole)) if place < 150 or place % 17 == 0]
    if role == "index":
        places = [place for place in places if not 37 <= place < 45]  # a length: gigabytes
    outcomes = set()
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        try:
            loaded = store.load(folder, verify="fast")
            outcomes.add(loaded.vectors.shape)
        except DamagedStoreError:
            outcomes.add("damaged")
    assert outcomes == {"damaged", (4, 3)}


def test_everything_damaged_is_named_at_once(folder, data_file):
    index, scores = data_file(folder, "index"), data_file(folder, "scores")
    index.unlink()
    scores.write_bytes(b"")
    with pytest.raises(DamagedStoreError) as caught:
        store.load(folder)
    assert index.name in str(caught.value)
    assert scores.name in str(caught.value)
    assert "--repair" not in str(caught.value)  # which could not help


def test_an_unknown_verify(folder):
    with pytest.raises(ValueError, match='verify is \'none\'; give "auto", "full" or "fast"'):
        store.load(folder, verify="none")


def test_auto_is_fast_for_large_folders(folder, data_file, monkeypatch):
    path = data_file(folder, "vectors")
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    total = sum(path.stat().st_size for path in folder.glob("*-*"))
    monkeypatch.setattr("knnrouter.store.reading._SMALL", total)
    store.load(folder)
    with pytest.raises(DamagedStoreError):
        store.load(folder, verify="full")
    monkeypatch.setattr("knnrouter.store.reading._SMALL", total + 1)
    with pytest.raises(DamagedStoreError):
        store.load(folder)


def drop(*keys):
    def edit(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return edit


def put(*keys):
    def edit(content):
        for key in keys[:-2]:
            content = content[key]
        content[keys[-2]] = keys[-1]

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("models"), "key `models` is missing"),
        (drop("embedder", "id"), "key `embedder.id` is missing"),
        (drop("files", "index"), "no file has the role `index`"),
        (drop("files", "scores", "size"), "key `files.scores.size` is missing"),
        (put("counts", "rows", "four"), "key `counts.rows` is 'four'; it must be a whole number;"),
        (put("counts", "rows", True), "key `counts.rows` is True"),
        (put("files", []), "key `files` is []; it must be an object;"),
        (put("models", {}), "key `models` is {}; it must be a list;"),
        (put("models", [1]), "key `models.0` is 1; it must be a text;"),
        (put("estimator", "k", None), "key `estimator.k` is None; it must be a text or a number;"),
        (put("counts", "rows", 5), "`scores` is <f4 (4, 2); the counts make it ('<f4', (5, 2))"),
        (put("embedder", "dim", 2), "probe vectors do not have the embedder's dimension, 2"),
        (put("embedder", "probes", 0, "vector", [0.5]), "probe vectors do not have the embedder's"),
        (put("embedder", "probes", 0, "vector", "x"), "key `embedder.probes.0.vector` is 'x'"),
        (put("files", "vectors", "name", "../../x.npy"), "cannot be called '../../x.npy'"),
        (put("files", "vectors", "name", "/etc/passwd"), "cannot be called '/etc/passwd'"),
        (put("files", "vectors", "sha256", "../" * 5), "the file of `vectors` cannot be called"),
        (put("files", "costs", "dtype", "|O"), "cannot be an array of type '|O'"),
        (put("files", "costs", "shape", [-4, 2]), "cannot be an array of type '<f8' and shape (-4"),
        (put("files", "costs", "shape", None), "and shape None"),
    ],
)
def test_a_manifest_that_says_what_cannot_be(folder, forge, edit, message):
    forge(folder, edit)
    with pytest.raises(DamagedStoreError) as caught:
        store.load(folder)
    assert message in str(caught.value)
    assert "put back a copy of the folder, or build the router again" in str(caught.value)


def test_names_that_would_leave_the_folder(folder, forge):
    def edit(content):
        entry = content["files"]["vectors"] | {"name": "estimator-../../x-0123456789abcdef.npy"}
        content["files"]["estimator-../../x"] = entry | {"sha256": "0123456789abcdef" * 4}

    forge(folder, edit)
    with pytest.raises(DamagedStoreError, match=r"`estimator-\.\./\.\./x` cannot be called"):
        store.load(folder)


def replaced(content, role, raw, folder):
    """Put a file of another content in the place of a role's, with all checksums right."""
    import hashlib

    entry = content["files"][role]
    sha256 = hashlib.sha256(raw).hexdigest()
    name = entry["name"].replace(entry["sha256"][:16], sha256[:16])
    (folder / name).write_bytes(raw)
    content["files"][role] |= {"name": name, "size": len(raw), "sha256": sha256}


def as_npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("role", "raw", "message"),
    [
        ("scores", as_npy(np.array([[{}, 1]] * 4)), "header does not say <f4 (4, 2)"),  # a pickle
        ("scores", as_npy(np.zeros((2, 4), "<f4")), "header does not say <f4 (4, 2)"),
        ("scores", as_npy(np.full((4, 2), 7, "<f4")), "8 values are (the first is 7.0"),
        ("records", b"", "not a whole Parquet file"),
        ("index", b"", "is no index that FAISS can read"),
    ],
)
def test_right_checksums_of_wrong_files(folder, forge, role, raw, message):
    forge(folder, lambda content: replaced(content, role, raw, folder))
    with pytest.raises(DamagedStoreError) as caught:
        store.load(folder)
    assert message in str(caught.value)
    report = store.inspect(folder)
    assert message in report.faults[0]
    assert report.repairable == (role == "index")


def test_an_index_of_other_vectors_and_records_of_other_models(
    folder, forge, data_file, make_saved, tmp_path
):
    other = make_saved(records=make_saved().records.select([0, 1]))
    store.save(tmp_path / "other", other)
    raw = data_file(tmp_path / "other", "index").read_bytes()
    forge(folder, lambda content: replaced(content, "index", raw, folder))
    with pytest.raises(DamagedStoreError, match=r"index has \(2, 3\) rows and dimensions, not \(4"):
        store.load(folder)
    assert store.inspect(folder).repairable
    store.repair(folder)
    forge(folder, put("models", ["small", "else"]))
    with pytest.raises(DamagedStoreError, match=r"holds other models than manifest\.json"):
        store.load(folder)


def test_saving_to_a_place_of_something_else(tmp_path, make_saved):
    path = tmp_path / "notes"
    path.mkdir()
    for name in ("a", "b", "c", "d"):
        (path / name).write_text(name)
    expected = "notes is not empty and is no saved router: it holds a, b, c and more; give a new or"
    with pytest.raises(StoreError, match=expected):
        store.save(path, make_saved())
    with pytest.raises(StoreError, match="a is a file; give the name of a folder"):
        store.save(path / "a", make_saved())
    with pytest.raises(StoreError, match=r"cannot be written \(Not a directory\)"):
        store.save(path / "a" / "b", make_saved())
    assert sorted(os.listdir(path)) == ["a", "b", "c", "d"]
    extension = tmp_path / "extension"
    extension.mkdir()
    (extension / "manifest.json").write_text(json.dumps({"manifest_version": 3}))
    with pytest.raises(StoreError, match=r"no saved router: it holds manifest\.json; give"):
        store.save(extension, make_saved())
    assert os.listdir(extension) == ["manifest.json"]


def test_a_place_can_be_checked_beforehand(tmp_path, make_saved):
    path = tmp_path / "notes"
    store.check_target(path)
    assert not path.exists()
    path.mkdir()
    store.check_target(path)
    (path / "a").write_text("a")
    with pytest.raises(StoreError, match="notes is not empty and is no saved router: it holds a;"):
        store.check_target(path)
    with pytest.raises(StoreError, match="a is a file; give the name of a folder"):
        store.check_target(path / "a")
    store.save(tmp_path / "saved", make_saved())
    store.check_target(tmp_path / "saved")
    assert os.listdir(path) == ["a"]


def test_saving_over_a_damaged_router_is_allowed(folder, make_saved, assert_same):
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:-40])
    (folder / "README.txt").write_text("kept")
    store.save(folder, make_saved(2))
    assert_same(make_saved(2), store.load(folder))
    assert (folder / "README.txt").read_text() == "kept"


def test_saving_where_a_first_save_was_interrupted(folder, make_saved, assert_same):
    (folder / "manifest.json").unlink()
    store.save(folder, make_saved(2))
    assert_same(make_saved(2), store.load(folder))
    assert len(list(folder.iterdir())) == 8


@pytest.mark.parametrize("content", [b"", bytes(500), b'{"name": "an app"}'])
def test_saving_over_a_router_whose_manifest_is_lost(folder, make_saved, assert_same, content):
    (folder / "manifest.json").write_bytes(content)
    store.check_target(folder)
    store.save(folder, make_saved(2))
    assert_same(make_saved(2), store.load(folder))
    assert len(list(folder.iterdir())) == 8


def test_a_lost_manifest_among_files_of_others_is_not_replaced(folder, make_saved):
    (folder / "manifest.json").write_bytes(b"")
    (folder / "cat.jpg").touch()
    before = sorted(os.listdir(folder))
    with pytest.raises(
        StoreError, match=r"no saved router: it holds cat\.jpg, manifest\.json; give"
    ):
        store.save(folder, make_saved(2))
    (folder / "cat.jpg").unlink()
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()
    with pytest.raises(StoreError, match=r"no saved router: it holds manifest\.json; give a new"):
        store.save(folder, make_saved(2))
    before.remove("cat.jpg")
    assert sorted(os.listdir(folder)) == before
