"""The estimators that the contract suite runs over, with settings that fit in no time."""

from tiny_transformers import topic_causal_lm, topic_encoder

from knnrouter.estimators import (
    KNN,
    AvengersPro,
    Blend,
    CausalLM,
    Clusters,
    CorrectnessKNN,
    EncoderMultiLabel,
    EncoderSeparate,
    EncoderWinRate,
    MatrixFactorization,
    MultiLabel,
    Separate,
    SimilarityWeighted,
    UniRoute,
)

TUNED = {
    "backbone": topic_encoder(),
    "epochs": 4,
    "batch": 12,
    "learning_rate": 1e-2,
    "head_learning_rate": 1e-1,
    "max_length": 16,
    "holdout": 0.0,
}

CASES = {
    "knn": KNN(),
    "knn, plain": KNN(k=3, weights="uniform", shrinkage=0.0),
    "blend": Blend(),
    "blend, few landmarks": Blend(landmarks=10),
    "blend, vectors only": Blend(texts=False),
    "clusters": Clusters(),
    "clusters, tfidf": Clusters(k=6, features="tfidf", shrinkage=0),
    "avengers_pro": AvengersPro(k=6, top_p=2),
    "uniroute": UniRoute(k=6),
    "multi_label": MultiLabel(c=1.0),
    "separate, balanced": Separate(c=0.5, balance=True),
    "separate": Separate(),
    "correctness_knn": CorrectnessKNN(),
    "similarity_weighted": SimilarityWeighted(),
    "similarity_weighted, code": SimilarityWeighted(weights="code", tiers=3, tie_margin=0.1),
    "encoder_multi_label": EncoderMultiLabel(**TUNED),
    "encoder_separate": EncoderSeparate(train_layers=0, **TUNED),
    "encoder_win_rate": EncoderWinRate(strong="river-model", weak="code-model", **TUNED),
    "causal_lm": CausalLM(
        strong="river-model",
        weak="code-model",
        backbone=topic_causal_lm(),
        epochs=8,
        batch=12,
        learning_rate=3e-2,
        max_length=64,
        holdout=0.0,
    ),
    "matrix_factorization": MatrixFactorization(dim=8, epochs=20, learning_rate=0.05),
    "matrix_factorization, ties": MatrixFactorization(
        dim=4, epochs=20, learning_rate=0.05, noise=0.0, ties="half"
    ),
}
