"""Made-up benchmarks of several tasks, with vectors that are given."""

import numpy as np

from knnrouter import RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.estimators import CorrectnessKNN

NAN = float("nan")


class World:
    """Tasks as directions in space; `text(task, number)` is embedded near its task's direction."""

    def __init__(self, directions, *, noise=0.3, seed=0):
        self.directions = {name: np.asarray(each, dtype=float) for name, each in directions.items()}
        self.noise, self.seed = noise, seed
        self.dim = len(next(iter(self.directions.values())))
        self.embedder = FunctionEmbedder(self.embed, dim=self.dim, id="world")

    def text(self, task, number):
        return f"{task} {number}"

    def embed(self, texts):
        return [self._row(text) for text in texts]

    def _row(self, text):
        task, _, number = text.partition(" ")
        if task not in self.directions:
            return np.zeros(self.dim)
        rng = np.random.default_rng([self.seed, *number.encode(), *task.encode()])
        return self.directions[task] + self.noise * rng.normal(size=self.dim)

    def records(self, rates, *, rows=20, models=None, missing=0.0, seed=1, weights=False):
        """`rates`: by task, how often each model is right."""
        rng = np.random.default_rng(seed)
        count = len(next(iter(rates.values())))
        queries, tasks, scores = [], [], []
        for task, chances in rates.items():
            for number in range(rows):
                queries.append(self.text(task, number))
                tasks.append(task)
                scores.append((rng.random(count) < np.asarray(chances)).astype(float))
        scores = np.array(scores)
        scores[rng.random(scores.shape) < missing] = NAN
        scores[0] = np.nan_to_num(scores[0])
        return RecordSet(
            ids=tuple(queries),
            models=tuple(models or "abcdef"[:count]),
            queries=tuple(queries),
            tasks=tuple(tasks),
            scores=scores,
            weights=1.0 + np.arange(len(queries)) % 3 if weights else None,
        )

    def router(self, records):
        return Router.fit(records, embedder=self.embedder, estimator=CorrectnessKNN())

    def asked(self, task, count, *, start=1000):
        return [self.text(task, start + number) for number in range(count)]
