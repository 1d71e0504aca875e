import json
import math
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_transformers import write_causal_lm
from tokenizers import Tokenizer

from knnrouter import RecordSet, Router
from knnrouter.errors import EstimatorError
from knnrouter.estimators import CausalLM
from knnrouter.estimators.causal_lm import ratings

torch = pytest.importorskip("torch")
NAN = float("nan")
LARGE, OTHER, SMALL = range(3)
WORDS = ("tiger", "violin", "a", "b", "c", "d", "e", "f")
ASKED = ["tiger", "a b violin", "c tiger f", "e d"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_causal_lm(tmp_path_factory.mktemp("llama") / "tiny", WORDS, layers=1)


@pytest.fixture(scope="module")
def judged():
    """The small model fails on texts with a tiger; the large one was hardly measured."""
    rows = [f"{'abcdef'[row % 6]} {('tiger', 'violin')[row % 2]} {row}" for row in range(60)]
    scores = np.full((60, 3), NAN)
    scores[:, SMALL] = np.where(np.arange(60) % 2, 1.0, 0.0)
    scores[0, LARGE] = 1.0
    return RecordSet(
        ids=[str(row) for row in range(60)],
        models=("large", "other", "small"),
        queries=rows,
        scores=scores,
    )


def settings(folder, **more):
    named = {"strong": "large", "weak": "small", "backbone": str(folder)}
    quick = {"epochs": 8, "batch": 10, "learning_rate": 3e-2, "max_length": 64, "holdout": 0.0}
    return CausalLM(**named | quick | more)


@pytest.fixture(scope="module")
def router(folder, judged):
    return Router.fit(judged, estimator=settings(folder))


def test_it_learns_where_the_weak_one_fails(router):
    found = router.estimate(ASKED[:3])
    assert (found.scores[[0, 2], LARGE] > 0.8).all()
    assert found.scores[1, LARGE] < 0.2
    np.testing.assert_allclose(found.scores[:, SMALL], 1 - found.scores[:, LARGE])
    assert np.isnan(found.scores[:, OTHER]).all()
    assert [router.route(text).model for text in ASKED[:2]] == ["large", "small"]


def test_it_writes_the_rating(router):
    """The model itself, asked as any language model is."""
    fitted = router.estimator
    backbone = fitted.answering[0].writer.backbone
    written = []
    for ids in fitted.read(["tiger", "violin"]):
        tokens = torch.tensor([ids])
        answer = backbone.model.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=1, do_sample=False
        )
        written.append(backbone.tokenizer.id_to_token(int(answer[0, -1])))
    assert written == ["[[1]]", "[[5]]"]


def test_probability_as_the_paper_has_it(router):
    """P(strong) = 1 - P(rating >= 4), over the five tokens, at the end of the question."""
    fitted = router.estimator
    writer = fitted.answering[0].writer
    found = router.estimate(ASKED)
    for row, ids in enumerate(fitted.read(ASKED)):
        with torch.no_grad():
            logits = writer.backbone.model(torch.tensor([ids])).logits[0, -1]
        chances = torch.softmax(logits[list(writer.rating_tokens)].double(), dim=0)
        expected = 1 - float(chances[3:].sum())
        assert found.scores[row, LARGE] == pytest.approx(expected, abs=1e-6)
        odds = found.strengths[row, LARGE] - found.strengths[row, SMALL]
        assert found.scores[row, LARGE] == pytest.approx(1 / (1 + math.exp(-odds)))


def test_the_threshold_is_a_rating(folder, judged):
    """Half-right answers are rated 3: they will do from a threshold of 3 on, not of 4."""
    half = judged.scores.copy()
    half[:, SMALL] = 0.5
    records = RecordSet(**judged.as_dict() | {"scores": half})
    found = {
        threshold: Router.fit(records, estimator=settings(folder, threshold=threshold, epochs=4))
        for threshold in (3, 4)
    }
    rates = {
        threshold: router.estimate(["tiger"]).scores[0, LARGE]
        for threshold, router in found.items()
    }
    assert rates[3] < 0.2 < 0.8 < rates[4]


def test_the_question_frames_the_text(router):
    fitted = router.estimator
    short, long = fitted.read(["tiger", "tiger " + "a " * 99 + "violin"])
    tiger, violin = (fitted.tokenizer.token_to_id(word) for word in ("tiger", "violin"))
    start, end = (fitted.tokenizer.token_to_id(word) for word in ("[CLS]", "[SEP]"))
    place = short.index(tiger)
    assert short[0] == start
    assert end not in short  # nothing ends before the rating is written
    assert len(long) == 64
    assert long[:place] == short[:place]
    assert long[place] == tiger
    after = short[place + 1 :]
    assert long[-len(after) - 1 :] == [violin, *after]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("train_layers", ["all", 0])
def test_saved_without_the_folder(tied, train_layers, judged, tmp_path):
    own = write_causal_lm(tmp_path / "own", WORDS, tied=tied)
    estimator = settings(own, epochs=1, train_layers=train_layers)
    router = Router.fit(judged, estimator=estimator)
    router.save(tmp_path / "saved", keep_queries=False)
    shutil.rmtree(own)
    again = Router.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.estimate(ASKED).scores, router.estimate(ASKED).scores)
    assert again.estimator.settings == router.estimator.settings
    kept = b"".join(router.estimator.arrays[name].tobytes() for name in ("weights", "trained_0"))
    assert kept.count(b'"lm_head.weight"') + kept.count(b'"model.embed_tokens.weight"') == 2 - tied


def test_the_output_layer_is_always_trained(folder, judged):
    from safetensors.torch import load, load_file

    arrays = Router.fit(
        judged, estimator=settings(folder, epochs=1, train_layers=0)
    ).estimator.arrays
    frozen, trained = (load(arrays[name].tobytes()) for name in ("weights", "trained_0"))
    given = load_file(folder / "model.safetensors")
    assert set(trained) == {"lm_head.weight"}
    assert len(trained["lm_head.weight"]) == len(given["lm_head.weight"]) + 5
    embedded = frozen.pop("model.embed_tokens.weight")
    assert torch.equal(embedded[:-5], given["model.embed_tokens.weight"])
    torch.testing.assert_close(embedded[-1], embedded[:-5].mean(dim=0))  # new tokens start there
    assert all(torch.equal(given[name], each) for name, each in frozen.items())


def test_ratings_that_a_vocabulary_has_are_kept(folder, judged, tmp_path):
    own = shutil.copytree(folder, tmp_path / "own")
    tokenizer = Tokenizer.from_file(str(own / "tokenizer.json"))
    known = json.loads((own / "config.json").read_text())["vocab_size"]
    vocabulary = json.loads(tokenizer.to_str())
    for place in range(1, 6):  # [[1]] takes the place of the word a, and so on
        vocabulary["model"]["vocab"].pop("abcde"[place - 1])
        vocabulary["model"]["vocab"][f"[[{place}]]"] = 5 + place
    (own / "tokenizer.json").write_text(json.dumps(vocabulary))
    fitted = Router.fit(judged, estimator=settings(own, epochs=1)).estimator
    writer = fitted.answering[0].writer
    assert writer.rating_tokens == (6, 7, 8, 9, 10)
    assert len(writer.output) == known


@given(st.floats(0, 1))
def test_ratings_are_the_nearest_of_five(score):
    nearest = min(range(1, 6), key=lambda rating: (abs((rating - 1) / 4 - score), -rating))
    assert ratings(np.array([score]))[0] == nearest


def test_what_was_not_measured_has_no_rating():
    assert np.isnan(ratings(np.array([NAN]))).all()


class TestRefused:
    def test_settings(self):
        with pytest.raises(EstimatorError, match=r"strong and weak are both 'b'.*threshold is 6"):
            CausalLM(strong="b", weak="b", backbone="x", threshold=6)

    def test_no_room_for_a_text(self, folder, judged):
        with pytest.raises(EstimatorError, match=r"max_length is 20; the question .* at least \d+"):
            Router.fit(judged, estimator=settings(folder, max_length=20))

    def test_the_weak_one_was_never_measured(self, folder, judged):
        with pytest.raises(EstimatorError, match="no row of the records measured 'other'"):
            Router.fit(judged, estimator=settings(folder, weak="other"))

    def test_a_tokenizer_without_ratings(self, router, folder):
        fitted = router.estimator
        plain = np.frombuffer((folder / "tokenizer.json").read_bytes(), dtype=np.uint8)
        with pytest.raises(EstimatorError, match=r"lacks the tokens \[\[1\]\]"):
            fitted.estimator.restore(router.evidence, {**fitted.arrays, "tokenizer": plain})
