"""Millions of meta-analyses at once: blocks of equal k, frames in and out, Parquet streams, Dask."""

from __future__ import annotations

from metaanalysis.many.parquet import PooledParquet, pool_parquet
from metaanalysis.many.pooling import pool_many
from metaanalysis.many.refits import gosh_many, jackknife_many, leave_one_out_many
from metaanalysis.many.resamples import bootstrap_many, permutation_test_many
from metaanalysis.results.pooled_many import PooledMany
from metaanalysis.results.resampled_many import ResampledMany

__all__ = [
    "PooledMany",
    "PooledParquet",
    "ResampledMany",
    "bootstrap_many",
    "gosh_many",
    "jackknife_many",
    "leave_one_out_many",
    "permutation_test_many",
    "pool_many",
    "pool_parquet",
]
