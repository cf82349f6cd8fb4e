"""Published reviews: load their data, compute them again, audit what they report."""

from __future__ import annotations

from metaanalysis.reviews.audit import audit
from metaanalysis.reviews.citations import citation_matrix
from metaanalysis.reviews.datasets import list_datasets, load_dataset, load_review, review_names
from metaanalysis.reviews.reproduce import reproduce
from metaanalysis.reviews.reproduction import Reproduction, Row, Tally, tally
from metaanalysis.reviews.review import Analysis, Printed, Review, read_review
from metaanalysis.reviews.revman import RevManAnalysis, RevManReview
from metaanalysis.reviews.revman_reproduction import RevManReproduction, RevManRow
from metaanalysis.reviews.subgroup_audit import audit_subgroups
from metaanalysis.reviews.umbrella_results import umbrella

__all__ = [
    "Analysis",
    "Printed",
    "Reproduction",
    "RevManAnalysis",
    "RevManReproduction",
    "RevManReview",
    "RevManRow",
    "Review",
    "Row",
    "Tally",
    "audit",
    "audit_subgroups",
    "citation_matrix",
    "list_datasets",
    "load_dataset",
    "load_review",
    "read_review",
    "reproduce",
    "review_names",
    "tally",
    "umbrella",
]
