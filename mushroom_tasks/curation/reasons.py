"""Codes of what curation found about a photo, and what each says to people.

Every row of a pruned manifest has a `reason`; some have a `doubt` as well, and those wait for a person. The report, the
card and the review page all show these words.

    REASONS[row["reason"]]      # "like no group of photos of its species"
"""

from __future__ import annotations

TYPICAL = "typical"
SECOND_LOOK = "second_look"
LEFT_ALONE = "left_alone"
UNUSUAL = "unusual"

NOISE = "noise"
STRAY_CLUSTER = "stray_cluster"
LIKE_JUNK = "like_junk"
POOR_QUALITY = "poor_quality"
DUPLICATE = "duplicate"

HELD_BACK = "held_back"
NEAR_BORDER = "near_border"
SUSPECTED_LABEL = "suspected_label"
TWO_LABELS = "two_labels"

KEPT = {
    TYPICAL: "like most photos of its species",
    SECOND_LOOK: "one of a group that several people photographed: another look of the species",
    UNUSUAL: "apart from the other photos of its species, but not like junk",
    LEFT_ALONE: "of a species with too few photos to tell what is typical",
}
PRUNED = {
    NOISE: "like no group of photos of its species",
    STRAY_CLUSTER: "one of a small group, by few observers, far from the other photos of its species",
    LIKE_JUNK: "like photos that stand out in other species too: hands, labels, scenery",
    POOR_QUALITY: "too blurred, dark, blank or small, too long and narrow, or mostly text",
    DUPLICATE: "the same picture as another photo, which stays",
    SUSPECTED_LABEL: "looks more like another species of the data set",
    TWO_LABELS: "the same picture is there under another species as well, whose label is likelier",
}
REASONS = KEPT | PRUNED
DOUBTS = {
    HELD_BACK: "stands out, but so much of its species does that people should decide",
    NEAR_BORDER: "near the border between kept and pruned",
    SUSPECTED_LABEL: "looks more like another species of the data set",
    TWO_LABELS: "the same picture is there under another species as well",
}

# What people say of a photo; see curation.review.
KEEP = "keep"
PRUNE = "prune"
WRONG_SPECIES = "wrong_species"
NOT_SURE = "not_sure"

VERDICTS = {
    KEEP: "shows its species, and belongs into the data set",
    PRUNE: "does not show its species, or not so that one could learn from it",
    WRONG_SPECIES: "shows another species than the one it is filed under",
    NOT_SURE: "somebody looked and could not tell; the rules' choice stays",
}
# Which verdicts overrule the rules' `is_outlier`, and by what.
OVERRULED = {KEEP: False, PRUNE: True, WRONG_SPECIES: True}
# In counts of what is left out, beside the rules' reasons; see curation.counts.
BY_PERSON = "by_person"
SAME_PICTURE = "same_picture"
BY_PEOPLE = {
    BY_PERSON: "kept by the rules, pruned by people",
    SAME_PICTURE: "people kept another photo of the same picture",
}
