"""A benchmark as it should be: tasks, models that differ, graded scores, costs, no query twice."""

import numpy as np

TASKS = {
    "code": """sort function array pointer loop compile python recursion string parser class memory
        thread query index hash binary tree graph stack queue debug exception regex module import
        integer float boolean variable iterator closure lambda socket server client json schema
        database cache kernel driver linker template syntax token buffer""",
    "law": """contract clause tenant landlord court appeal statute liability damages plaintiff judge
        jury evidence witness testimony patent copyright trademark merger license breach remedy
        custody divorce estate probate tax treaty constitution amendment felony bail parole arrest
        warrant deposition lawsuit settlement arbitration lease mortgage deed trustee insolvency
        creditor debtor negligence defamation""",
    "cooking": """onion garlic butter flour sugar yeast dough bake roast simmer boil fry grill sauce
        soup stew salad vinegar olive pepper salt cinnamon vanilla chocolate cream cheese egg milk
        rice noodle pasta bread cake cookie pie chicken beef pork salmon shrimp tofu bean lentil
        carrot potato tomato spinach lemon ginger honey""",
    "astronomy": """planet orbit comet asteroid galaxy nebula telescope supernova pulsar quasar
        eclipse moon saturn jupiter mars venus mercury neptune uranus pluto star dwarf giant
        spectrum redshift parallax gravity satellite rocket astronaut cosmic radiation dark matter
        universe expansion constellation meteor crater equinox solstice corona flare magnetosphere
        photon luminosity telescope observatory light""",
}

ANYWHERE = """morning river window blue teacher seven market letter garden winter engine music
    paper village doctor silver train mountain shadow island kitchen soldier bridge color summer
    horse ticket mirror ocean brother camera forest number circle hammer ladder needle carpet
    bottle candle wallet puzzle tunnel blanket saddle violin magnet lantern"""
"""Words that say nothing on the task."""

SKILLS = {
    "coder": {"code": 0.85, "law": 0.45, "cooking": 0.5, "astronomy": 0.4},
    "jurist": {"code": 0.4, "law": 0.8, "cooking": 0.45, "astronomy": 0.5},
    "cook": {"code": 0.35, "law": 0.4, "cooking": 0.8, "astronomy": 0.75},
}
"""The mean score of each model on each task."""

PRICES = {"coder": 0.004, "jurist": 0.002, "cook": 0.001}

_SPREAD = 8.0  # of the beta distributions: the higher, the closer to the means


def clean_rows(rows=400, *, seed=0):
    """Wide rows, for `RecordSet.from_rows` or a file; another seed gives other queries."""
    random = np.random.default_rng(seed)
    return [_row(number, seed, random) for number in range(rows)]


def _row(number, seed, random):
    task = list(TASKS)[number % len(TASKS)]
    words = [
        *random.choice(sorted(set(TASKS[task].split())), size=8, replace=False),
        *random.choice(ANYWHERE.split(), size=5, replace=False),
    ]
    row = {"id": f"{seed}-{number}", "query": " ".join(words) + "?", "task": task}
    for model, skills in SKILLS.items():
        mean = skills[task]
        row[model] = round(float(random.beta(mean * _SPREAD, (1 - mean) * _SPREAD)), 6)
        row[f"{model}|cost"] = round(PRICES[model] * float(random.uniform(0.5, 1.5)), 8)
    return row
