"""What a classifier learns from a data set with junk, pruned, or truly clean: logistic regression on the features.

The same classifier for all, tested on truly clean photos by observers whom it has not seen: the observers are dealt
into five folds, and each clean photo is tested once.

    accuracy(photos, kept=~flagged)
"""

from __future__ import annotations

import warnings

import numpy as np
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from mushroom_tasks.curation.labels.folds import assign_folds

FOLDS = 5


def accuracy(photos: LabelledPhotos, kept: NDArray[np.bool_]) -> float:
    """Return the share of clean photos that are named right, learnt from the kept photos of other observers."""
    features = normalize(photos.embeddings) * np.float32(np.sqrt(photos.embeddings.shape[1]))
    fold = assign_folds(photos.observers, FOLDS)
    right = np.zeros(len(kept), bool)
    for each in np.unique(fold):
        test, train = (fold == each) & photos.is_clean, (fold != each) & kept
        model = LogisticRegression(max_iter=100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # further steps change the names of few photos
            model.fit(features[train], photos.labels[train])
        right[test] = model.predict(features[test]) == photos.labels[test]
    return float(right[photos.is_clean].mean())
