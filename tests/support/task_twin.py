"""A slow, obvious twin of task routing: the formulas, a number at a time, with nothing kept."""

import math
from types import SimpleNamespace

import numpy as np

NAN = float("nan")


def rows_near(query, vectors, rows, k):
    """The nearest of the rows: similarity in double precision, rounded; ties to the lower row."""
    cosines = {
        row: sum(float(a) * float(b) for a, b in zip(query, vectors[row], strict=True))
        for row in rows
    }
    order = sorted(rows, key=lambda row: (-round(cosines[row], 6), row))[:k]
    return [(row, round(cosines[row], 6)) for row in order]


def predicted(vectors, known, tested, right, weights, settings):
    """g and the prediction of every model on the tested rows, from the known rows; and u."""
    g, distances = [], []
    for row in tested:
        near = rows_near(vectors[row], vectors, known, max(settings.k, settings.kappa))
        apart = [max(1 - cosine, 1e-7) for _, cosine in near[: settings.kappa]]
        distances.append(sum(apart) / len(apart))
        votes = near[: settings.k]
        g.append([share(votes, model, right, weights) for model in range(right.shape[1])])
        if not any(vectors[row]):
            g[-1] = [NAN] * right.shape[1]
    total = sum(weights[row] for row in tested)
    u = sum(weights[row] * each for row, each in zip(tested, distances, strict=True)) / total
    return SimpleNamespace(g=g, u=u)


def share(votes, model, right, weights):
    told = [(weights[row], right[row][model]) for row, _ in votes]
    told = [(weight, hit) for weight, hit in told if not math.isnan(hit)]
    total = sum(weight for weight, _ in told)
    return sum(weight * hit for weight, hit in told) / total if told else NAN


def accuracy(g, tested, right, weights, settings):
    """The share of predictions that came true, by model."""
    found = []
    for model in range(right.shape[1]):
        told = [
            (weights[row], float((g[place][model] > settings.above) == right[row][model]))
            for place, row in enumerate(tested)
            if not math.isnan(g[place][model]) and not math.isnan(right[row][model])
        ]
        total = sum(weight for weight, _ in told)
        found.append(sum(weight * hit for weight, hit in told) / total if told else NAN)
    return found


def pairs(vectors, tasks, right, weights, settings):
    """(u, p) of each named task, predicted from the rows of all others."""
    found = []
    for task in sorted({each for each in tasks if each}):
        tested = [row for row, each in enumerate(tasks) if each == task]
        known = [row for row, each in enumerate(tasks) if each != task]
        seen = predicted(vectors, known, tested, right, weights, settings)
        found.append((seen.u, accuracy(seen.g, tested, right, weights, settings)))
    return found


def smoothed(pairs, u, sigma):
    """The kernel mean of p and its weighted standard deviation, by model."""
    means, spreads = [], []
    for model in range(len(pairs[0][1])):
        own = [
            (math.exp(-((u - each) ** 2) / (2 * sigma**2)), p[model])
            for each, p in pairs
            if not math.isnan(p[model])
        ]
        if own and not any(weight for weight, _ in own):
            own = [(1.0, p) for _, p in own]
        total = sum(weight for weight, _ in own)
        mean = sum(weight * p for weight, p in own) / total if own else NAN
        means.append(mean)
        square = sum(weight * (p - mean) ** 2 for weight, p in own)
        spreads.append(math.sqrt(square / total) if own else NAN)
    return means, spreads


def scores(g, p, settings):
    """S1, S2 and S3 by model."""
    found = []
    for model in range(len(g[0])):
        own = [row[model] for row in g if not math.isnan(row[model])]
        if not own:
            found.append((NAN, NAN, NAN))
            continue
        s1 = sum(own) / len(own)
        s2 = sum(each > settings.above for each in own) / len(own)
        found.append((s1, s2, s2 * p[model] + (1 - s2) * (1 - p[model])))
    return found


def averages(measured, tasks, weights):
    """The mean over tasks of a model's weighted mean score there, if it was in enough of them."""
    found, counts = [], []
    for model in range(measured.shape[1]):
        means = []
        for task in sorted({each for each in tasks if each}):
            own = [
                (weights[row], float(measured[row, model]))
                for row, each in enumerate(tasks)
                if each == task and not np.isnan(measured[row, model])
            ]
            if own:
                means.append(sum(w * s for w, s in own) / sum(w for w, _ in own))
        found.append(sum(means) / len(means) if means else NAN)
        counts.append(len(means))
    enough = [2 * count >= max(counts) for count in counts]
    return [mean if does else NAN for mean, does in zip(found, enough, strict=True)]
