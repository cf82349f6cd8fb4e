"""Small files that come with the library, to try the readers on."""

from __future__ import annotations

from pathlib import Path

from metaanalysis.options import choose
from metaanalysis.reviews.datasets import datasets_folder

EXAMPLES = ("invented-review.rm5",)


def example_file(name: str) -> Path:
    """Find a small file that comes with the library, to try `read_revman` on.

    Parameters
    ----------
    name
        ``"invented-review.rm5"``: a review in the format of Review Manager 5 with every kind of data and setting. It is
        invented: no study in it exists.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    OptionError
        There is no file of that name; the message lists them.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> ma.example_file("invented-review.rm5").name
    'invented-review.rm5'
    """
    return datasets_folder() / choose("file", name, EXAMPLES)
