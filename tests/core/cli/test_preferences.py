"""From a file of votes to a router on the command line."""

import pytest

SUBJECTS = ["rivers", "lemons", "the moon", "old maps", "bees", "winter", "trains", "salt"]


@pytest.fixture
def votes(tmp_path, monkeypatch):
    """The large model is preferred for derivations, the small one for haikus or neither."""
    monkeypatch.chdir(tmp_path)
    lines = ["prompt,model_a,model_b,winner"]
    for place, subject in enumerate(SUBJECTS):
        liked = "tie" if place % 2 else "model_b"
        lines.append(f"Write a haiku about {subject}.,large,small,{liked}")
        lines.append(f"Derive the differential equation of {subject}.,small,large,large")
    (tmp_path / "votes.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    [
        "similarity_weighted:weights=code",
        "matrix_factorization:dim=8,epochs=20,learning_rate=0.02,ties=half",
    ],
)
def test_a_router_of_votes(knn, votes, spec):
    if spec.startswith("matrix"):
        pytest.importorskip("torch", reason="the extra `train`")
    knn("build", "votes.csv", "--out", "router", "--estimator", spec)
    for text, model in (
        ("Write a haiku about owls.", "small"),
        ("Derive the equation of a pendulum.", "large"),
    ):
        found = knn("route", text, "--router", "router", "--json").json
        assert found["model"] == model
        assert sum(found["scores"].values()) == pytest.approx(1.0)
    shown = knn("inspect", "router", "--json").out
    assert spec.split(":")[0] in shown


def test_calibrated_on_votes(knn, votes):
    knn("build", "votes.csv", "--out", "router", "--estimator", "similarity_weighted")
    share = ("--share", "large=0.5", "--holdout", 0, "--json")
    policy = knn("calibrate", "votes.csv", "--router", "router", *share).json["policy"]
    assert policy.startswith("threshold:strong=large,weak=small,threshold=")
    for text, model in (
        ("Write a haiku about owls.", "small"),
        ("Derive the equation of a pendulum.", "large"),
    ):
        routed = knn("route", text, "--router", "router", "--policy", policy, "--json").json
        assert routed["model"] == model


def test_the_format_is_listed_and_recognized(knn, votes):
    assert "preferences" in knn("formats").out
    assert "recognized as: preferences (CSV)" in knn("build", "votes.csv", "--out", "router").err
