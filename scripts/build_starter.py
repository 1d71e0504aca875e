"""Build the starter: the small router that ships inside the package.

    python scripts/build_starter.py --data FOLDER     # ulab LLMRouter data, MIT

What comes out are averages only: clusters of at least two queries within each task, their center,
the mean score of each model and the mean number of prompt tokens. No query and no row of the source
is kept. Prices are those the source states; pool.yaml beside the saved folder is written by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from knnrouter import RecordSet, Router, read_records
from knnrouter.embedders import StaticEmbedder
from knnrouter.text import read_query

STARTER = Path(__file__).parents[1] / "shared" / "knnrouter" / "starter" / "router"
CLUSTERS = 2900
"""Asked for; about 1,400 are left once those of a single query have joined others."""


def main() -> None:
    """Read the source, condense it, fit, save, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the source")
    records = read_records(parser.parse_args().data, format="llmrouter")
    embedder = StaticEmbedder()
    small = _with_tokens(records, embedder).condense(embedder, rows=CLUSTERS, smallest=2)
    router = Router.fit(small, embedder=embedder)
    router.save(STARTER, keep_queries=False)
    print(f"{len(records):,} queries became {len(small):,} rows: {dict(router.estimator.settings)}")


def _with_tokens(records: RecordSet, embedder: StaticEmbedder) -> RecordSet:
    """The records with the length of each prompt, in tokens of the embedder's own tokenizer."""
    texts = [read_query(query).text for query in records.queries]
    lengths = [len(tokens) for tokens in embedder.model.tokenize(texts)]
    tokens = np.repeat(np.array(lengths, dtype=np.float64)[:, None], len(records.models), axis=1)
    return RecordSet(**(records.as_dict() | {"input_tokens": tokens}))


if __name__ == "__main__":
    main()
