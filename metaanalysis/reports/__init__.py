"""A page that a reviewer sends to a co-author: everything about one meta-analysis in one file.

The room is named in the plural, unlike the function `metaanalysis.report` that lives in it: a package and a function of one
name would take each other's place, depending on which is imported first.
"""

from __future__ import annotations

from metaanalysis.reports.audit_page import audit_report, checked_page
from metaanalysis.reports.page import report

__all__ = ["audit_report", "checked_page", "report"]
