"""Gaussian mixtures of colour: one of the trapezoid, one of the rest of the picture."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical.prior import Pixels, evidence, smooth_lab, trapezoid

ROAD_PARTS, OTHER_PARTS = 2, 5
EVERY = 23  # pixels of the rest of which one is learned from
NOISE = 4.0  # variance in squared levels that every part has: a flat colour is no needle
SEED = 0
SURE = 10.0  # the log-likelihood ratio is cut at this


def gaussian_mixture(pixels: Pixels) -> NDArray[np.float32]:
    """Return the log-likelihood ratio of the trapezoid's mixture over that of all else.

    The road beyond the trapezoid is in the second mixture too, so the ratio is careful. Dempster,
    Laird and Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", 1977.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    lab = smooth_lab(pixels)
    inside = trapezoid(*lab.shape[:2]) > 0
    points = lab.reshape(-1, 3)
    about = {"reg_covar": NOISE, "max_iter": 30, "tol": 1e-2, "random_state": SEED}
    with warnings.catch_warnings():
        # A picture of few colours has fewer parts than are asked for; the fit serves all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        road = GaussianMixture(ROAD_PARTS, **about).fit(lab[inside])
        other = GaussianMixture(OTHER_PARTS, **about).fit(lab[~inside][::EVERY])
    ratio = (road.score_samples(points) - other.score_samples(points)).reshape(inside.shape)
    found = evidence(ratio > 0)
    # Where shape and likelihood disagree, the shape decides, as little sure as can be.
    signed = np.where(found > 0, ratio.clip(0.1, SURE), ratio.clip(-SURE, -0.1))
    return np.asarray(signed, np.float32)
