"""Millions of meta-analyses at once: blocks of equal k, frames in and out, Parquet streams, Dask."""
