"""crf: borders moved to where the picture has its edges, for work that need not be live."""

from __future__ import annotations

import numpy as np

from roadseg.runtime.errors import MissingExtra, UsageError
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.probabilities import probabilities
from roadseg.runtime.sinks.painter import to_bgr

# The weights and widths that pydensecrf's own example has; after DeepLab (Chen et al., 2015).
SMOOTHNESS = {"sxy": 3, "compat": 3}
APPEARANCE = {"sxy": 80, "srgb": 13, "compat": 10}


class DenseCrf(Stage):
    """Runs a fully connected CRF over the picture: Krähenbühl and Koltun, Efficient Inference in
    Fully Connected CRFs with Gaussian Edge Potentials (2011), by pydensecrf2.

    It makes a mask of its own from the logits, at the frame's size, so it comes before stages that
    change the mask. It takes seconds a frame and allocates: for files and images.

    iterations: of the mean field.
    """

    name = "crf"
    note = "crf: takes seconds a frame, for files and images"

    def __init__(self, iterations: float = 5) -> None:
        if not 1 <= iterations <= 100 or iterations != int(iterations):
            raise UsageError(f"crf:{iterations:g}: 1 to 100 iterations, a whole number")
        try:
            from pydensecrf import densecrf
        except ImportError:
            raise MissingExtra("pydensecrf2", "crf", "--post crf") from None
        self._make = densecrf.DenseCRF2D
        self._iterations = int(iterations)

    def __call__(self, work: Work) -> None:
        """See Stage."""
        height, width = work.mask.shape
        shares = probabilities(work.logits, height, width)
        crf = self._make(width, height, len(shares))
        crf.setUnaryEnergy(-np.log(np.maximum(shares, 1e-5)).reshape(len(shares), -1))
        crf.addPairwiseGaussian(**SMOOTHNESS)
        picture = np.ascontiguousarray(to_bgr(work.frame)[..., ::-1])
        crf.addPairwiseBilateral(rgbim=picture, **APPEARANCE)
        refined = np.asarray(crf.inference(self._iterations)).reshape(shares.shape)
        work.mask[:] = refined.argmax(0)
        if work.confidence is not None:
            work.confidence[:] = (255 * refined.max(0)).round()
