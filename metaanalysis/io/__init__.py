"""Review Manager and other formats: files in, documents out."""

from __future__ import annotations

from metaanalysis.io.examples import example_file
from metaanalysis.io.json_documents import from_json, to_json
from metaanalysis.io.markup import to_latex, to_markdown
from metaanalysis.io.revman_files import read_revman
from metaanalysis.io.study_files import read_studies
from metaanalysis.io.workbooks import to_excel

__all__ = ["example_file", "from_json", "read_revman", "read_studies", "to_excel", "to_json", "to_latex", "to_markdown"]
