"""The same examples on every run: a failure here is a failure everywhere."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same every time", derandomize=True, deadline=None, max_examples=30, database=None)
settings.load_profile("same every time")
