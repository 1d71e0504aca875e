"""How small may the shipped word vectors be? Size against routing quality, on real data.

Distill all sizes first (it has an environment of its own), then compare them::

    python scripts/distill_static.py --every --out build/static
    python benchmarks/static_embedder.py build/static

The data is found through KNNROUTER_DATA, else in ../shared/data beside the checkout. The votes
are plain and untuned, the same for every row of the table: what differs is the embedder alone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from knnrouter import evaluation, read_records
from knnrouter.embedders import StaticEmbedder

Floats = npt.NDArray[np.float32]
Embed = Callable[[list[str]], Floats]

SEEDS = range(5)
LEARN = 1500  # labeled MMLU questions
AT_ONCE = 2048  # queries compared at a time: bounds the memory
STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what distill_static.py --every wrote")
    folder = parser.parse_args().folder
    mmlu, gain = mmlu_pair()
    queries, scores = llmrouter()
    print(f"MMLU {len(mmlu):,} questions, ulab LLMRouter {len(queries):,}; {len(SEEDS)} seeds")
    print("APGR soft: all weighted by exp(similarity / 0.1); APGR 100: the nearest 100, equally")
    print("| vectors | MB | MB in the wheel | APGR soft | APGR 100 | LLMRouter score |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, size, embed in candidates(folder):
        rows, other_rows = embed(mmlu), embed(queries)
        figures = [
            [apgr(rows, gain, seed, soft_vote) for seed in SEEDS],
            [apgr(rows, gain, seed, nearest_vote) for seed in SEEDS],
            [best_score(other_rows, scores, seed) for seed in SEEDS],
        ]
        cells = [f"{np.mean(each):.4f} ± {np.std(each, ddof=1):.4f}" for each in figures]
        print(f"| {name} | {size} | {' | '.join(cells)} |", flush=True)


def candidates(folder: Path) -> Iterator[tuple[str, str, Embed]]:
    """Each model's name, its two sizes as cells of the table, and what embeds with it."""
    models = sorted(folder.glob("*-*"), key=lambda model: (int(model.name.split("-")[0]), model))
    if not models:
        raise SystemExit(f"no models in {folder}; write them with distill_static.py --every")
    for model in models:
        yield model.name, megabytes(model), StaticEmbedder(model).embed
    shipped = StaticEmbedder()
    words = shipped.model
    yield (
        f"the shipped {shipped.dim}, mean over all words",
        "the same | the same",
        lambda texts: np.asarray(words.encode(texts, max_length=None), np.float32),
    )


def megabytes(model: Path) -> str:
    """Megabytes of the data files, as they are and deflated as a wheel does it."""
    packed = io.BytesIO()
    files = [model / name for name in json.loads((model / "meta.json").read_text())["files"]]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in files:
            wheel.write(file, file.name)
    plain = sum(file.stat().st_size for file in files)
    return f"{plain / 1e6:.1f} | {len(packed.getvalue()) / 1e6:.1f}"


def data(name: str) -> Path:
    """A file or folder of the real data."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    found = Path(os.environ.get("KNNROUTER_DATA", beside)) / name
    if not found.exists():
        raise SystemExit(f"{found} is absent; set KNNROUTER_DATA to the folder of the real data")
    return found


def mmlu_pair() -> tuple[list[str], Floats]:
    """MMLU without the contaminated prompts: texts, and scores of the weak and strong model."""
    records = read_records(data("routellm/mmlu"))
    lines = data("routellm/mmlu/contaminated_prompts.jsonl").read_text("utf-8").splitlines()
    contaminated = {json.loads(line)["eval_prompt"] for line in lines}
    kept = [i for i, query in enumerate(records.queries) if query not in contaminated]
    columns = [records.models.index(WEAK), records.models.index(STRONG)]
    return [records.queries[i] or "" for i in kept], records.scores[np.ix_(kept, columns)]


def llmrouter() -> tuple[list[str], Floats]:
    """The texts of ulab LLMRouter and the scores of its nine models, shape (n, 9)."""
    records = read_records(data("llmrouter/routing_train.json"))
    return [query or "" for query in records.queries], records.scores


def soft_vote(similarity: Floats, values: Floats) -> Floats:
    """Mean of the values of all rows, weighted by a softmax of similarity at 0.1."""
    weights = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / np.float32(0.1))
    return np.asarray(weights @ values / weights.sum(axis=1, keepdims=True), np.float32)


def nearest_vote(similarity: Floats, values: Floats, k: int = 100) -> Floats:
    """Mean of the values of the nearest k rows."""
    nearest = np.argpartition(-similarity, k, axis=1)[:, :k]
    return np.asarray(values[nearest].mean(axis=1), np.float32)


def apgr(rows: Floats, pair: Floats, seed: int, vote: Callable[[Floats, Floats], Floats]) -> float:
    """APGR of a vote that learned from 1,500 random questions, on the others."""
    order = np.random.default_rng(seed).permutation(len(rows))
    learn, test = order[:LEARN], order[LEARN:]
    gain = (pair[learn, 1] - pair[learn, 0])[:, None]
    predicted = np.concatenate(
        [vote(part @ rows[learn].T, gain)[:, 0] for part in parts(rows[test])]
    )
    return evaluation.apgr(evaluation.strong_fraction_curve(predicted, *pair[test].T))


def best_score(rows: Floats, scores: Floats, seed: int) -> float:
    """Mean score of the models chosen by a vote of the nearest 200, in 5 folds."""
    order = np.random.default_rng(seed).permutation(len(rows))
    total = 0.0
    for fold in range(5):
        test, learn = order[fold::5], np.delete(order, np.s_[fold::5])
        predicted = np.concatenate(
            [nearest_vote(part @ rows[learn].T, scores[learn], 200) for part in parts(rows[test])]
        )
        total += float(scores[test, predicted.argmax(axis=1)].sum())
    return total / len(rows)


def parts(rows: Floats) -> Iterator[Floats]:
    """The rows, some at a time."""
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]


if __name__ == "__main__":
    main()
