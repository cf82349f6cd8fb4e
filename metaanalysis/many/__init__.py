"""Millions of meta-analyses at once: blocks of equal k, frames in and out, Parquet streams, Dask."""

from __future__ import annotations

from metaanalysis.many.parquet import PooledParquet, pool_parquet
from metaanalysis.many.pooling import pool_many
from metaanalysis.results.pooled_many import PooledMany

__all__ = ["PooledMany", "PooledParquet", "pool_many", "pool_parquet"]
