"""Looks for issues with cleanlab's Datalab; runs in the environment of that peer, without ours.

Reads an .npz with labels (N,), features (N, F) of unit length and groups (N,), and writes one with what Datalab says:
flags and scores of outliers (of all photos at once as by default, and class by class) and of labels (from features
alone, and from probabilities as its tutorials make them: logistic regression, cross-validated; by photo and by group).
Scores are Datalab's: 0 for an issue, 1 for none.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab import Datalab
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict


def main() -> None:
    """Read, look, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("what", choices=("outliers", "labels"))
    given = parser.parse_args()
    with np.load(given.input) as data:
        labels, features, groups = data["labels"], data["features"], data["groups"]
    np.savez(
        given.output, **(outliers(labels, features) if given.what == "outliers" else wrong(labels, features, groups))
    )


def outliers(labels: np.ndarray, features: np.ndarray) -> dict[str, np.ndarray]:
    """Return flags and scores of all photos at once, and of each class by itself."""
    issues = look(labels, "outlier", features=features)
    by_class, flagged = np.ones(len(labels)), np.zeros(len(labels), bool)
    for name in np.unique(labels):
        rows = labels == name
        of_class = look(labels[rows], "outlier", features=features[rows])
        by_class[rows], flagged[rows] = of_class["outlier_score"], of_class["is_outlier_issue"]
    return {
        "outlier_all_flagged": issues["is_outlier_issue"],
        "outlier_all": issues["outlier_score"],
        "outlier_by_class_flagged": flagged,
        "outlier_by_class": by_class,
    }


def wrong(labels: np.ndarray, features: np.ndarray, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Return flags and scores of labels, from features and from either kind of held-out probabilities."""
    known = {
        "features": {"features": features},
        "by_photo": {"pred_probs": probabilities_of(labels, features, StratifiedKFold(5), None)},
        "by_group": {"pred_probs": probabilities_of(labels, features, GroupKFold(5), groups)},
    }
    found = {}
    for name, given in known.items():
        issues = look(labels, "label", **given)
        found |= {f"label_{name}_flagged": issues["is_label_issue"], f"label_{name}": issues["label_score"]}
    return found


def look(labels: np.ndarray, issue: str, **known: Any) -> dict[str, np.ndarray]:
    """Return the columns of one kind of issue."""
    lab = Datalab({"label": labels}, label_name="label", verbosity=0)
    lab.find_issues(**known, issue_types={issue: {}})
    return {name: column.to_numpy() for name, column in lab.get_issues(issue).items()}


def probabilities_of(labels: np.ndarray, features: np.ndarray, folds: Any, groups: np.ndarray | None) -> np.ndarray:
    """Return held-out probabilities (N, classes), the classes in alphabetical order."""
    scaled = features * np.sqrt(features.shape[1])  # entries of about 1, as logistic regression's penalty expects
    model = LogisticRegression(max_iter=200)
    return cross_val_predict(model, scaled, labels, cv=folds, groups=groups, method="predict_proba")


if __name__ == "__main__":
    main()
