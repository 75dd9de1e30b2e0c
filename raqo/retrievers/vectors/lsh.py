"""Random-hyperplane hashing (QueryFormer, Algorithm 1) as pure functions, and what it finds with which probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raqo.protocols import FloatArray

Keys = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]

NARROW = 1e-6
"""Dot products of unit vectors nearer to zero than this are computed again, one by one."""


def draw_hyperplanes(tables: int, hyperplanes: int, dimension: int, *, seed: int) -> FloatArray:
    """Normals r ~ N(0, I) of every hyperplane of every table: float32 of shape (tables, hyperplanes, dimension)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((tables, hyperplanes, dimension), dtype=np.float32)


def project(vectors: FloatArray, planes: FloatArray) -> FloatArray:
    """Dot products of (n, d) unit vectors with (L, k, d) normals: (n, L, k).

    A matrix product sums in another order for another number of vectors. Where that could turn a sign, the product is
    computed by itself, so that a vector's bits never depend on the vectors it comes with.
    """
    tables, width, dimension = planes.shape
    flat = planes.reshape(-1, dimension)
    dots = vectors @ flat.T
    rows, columns = np.nonzero(np.abs(dots) < NARROW * np.sqrt(dimension))
    dots[rows, columns] = np.vecdot(vectors[rows], flat[columns])
    projected: FloatArray = dots.reshape(-1, tables, width)
    return projected


def bits_of(dots: FloatArray) -> Bits:
    """COMPUTEHASH of Algorithm 1: a bit is 1 where the dot product is at least 0."""
    return dots >= 0


def keys_of(bits: Bits) -> Keys:
    """Bits (..., k) to whole numbers (...); the first hyperplane gives the highest bit, as in the paper's string."""
    keys: Keys = bits @ _powers(bits.shape[-1])
    return keys


def probed_keys(dots: FloatArray, probes: int) -> Keys:
    """Keys of a query's own bucket and of `probes` neighbours: (n, L, k) dot products to (n, L, 1 + probes).

    A neighbour's key differs in one bit; the bits with the smallest absolute dot product are turned first.
    """
    own = keys_of(bits_of(dots))[..., None]
    narrowest = np.argsort(np.abs(dots), axis=-1, kind="stable")[..., :probes]
    return np.concatenate([own, own ^ _powers(dots.shape[-1])[narrowest]], axis=-1)


def agreement(cosines: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Probability p = 1 - angle / pi that one hyperplane gives both vectors of a pair the same bit."""
    agreeing: npt.NDArray[np.float64] = 1 - np.arccos(np.clip(cosines, -1, 1)) / np.pi
    return agreeing


def found_probability(agreeing: npt.ArrayLike, *, tables: int, hyperplanes: int) -> npt.NDArray[np.float64]:
    """Probability 1 - (1 - p^k)^L that a pair shares a bucket in at least one table, without further probes."""
    return 1 - (1 - np.asarray(agreeing) ** hyperplanes) ** tables


def _powers(width: int) -> Keys:
    return np.left_shift(np.uint64(1), np.arange(width, dtype=np.uint64)[::-1])
