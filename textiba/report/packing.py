"""Columns of numbers as one string: typed arrays, deflated, in base64. `unpack.js` reads them."""

import base64
import gzip
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int16, Shaped

LEVELS = 600  # number of levels above 0, and below 0, in `quantise`; more levels make a page larger than 5 MB
POWER = 3  # pages colour small scores too, and cube roots keep the relative error small over four powers of ten
MISSING = -32768  # stands for NaN among quantised numbers
_TYPES = {"int8": "i1", "int16": "i2", "int32": "i4", "float32": "f4"}


def pack(columns: Mapping[str, Shaped[np.ndarray, " values"]]) -> dict[str, Any]:
    """Packs columns of integers (in the smallest type that holds them) and of floats (four bytes).

    The first bytes of all numbers of a column come first, then their second bytes, and so on: similar bytes next to
    each other compress better.

    Returns:
        {"columns": {name: [type, values]}, "bytes": base64 of the deflated columns, one after the other}.
    """
    index: dict[str, list[str | int]] = {}
    planes = []
    for name, values in columns.items():
        column = _small(values)
        index[name] = [_TYPES[column.dtype.name], len(column)]
        planes.append(column.view(np.uint8).reshape(len(column), column.itemsize).T.tobytes())
    deflated = gzip.compress(b"".join(planes), 9, mtime=0)  # without a time stamp, the same data give the same page
    return {"columns": index, "bytes": base64.b64encode(deflated).decode()}


def quantise(values: Float[np.ndarray, " values"]) -> tuple[Int16[np.ndarray, " values"], float]:
    """Returns a whole number for each value, and a step. A value is about the step times the cube of its number.

    NaN becomes `MISSING`. The error of a value is at most 0.25 % of the value near the largest |value| of the group,
    and at most 2.5 % at a thousandth of the largest.
    """
    there = np.isfinite(values)
    step = float(np.abs(values[there]).max(initial=0.0)) / LEVELS**POWER
    whole = np.full(len(values), MISSING, dtype=np.int16)
    whole[there] = np.round(np.cbrt(values[there] / (step or 1.0))).astype(np.int16)
    return whole, step


def _small(values: Shaped[np.ndarray, " values"]) -> Shaped[np.ndarray, " values"]:
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, dtype="<f4")
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    for kind in ("int8", "int16", "int32"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            break
    return np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
