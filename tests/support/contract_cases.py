"""The estimators that the contract suite runs over, with settings that fit in no time."""

from knnrouter.estimators import KNN

CASES = {
    "knn": KNN(),
    "knn, plain": KNN(k=3, weights="uniform", shrinkage=0.0),
}
