"""INT8 by NVIDIA ModelOpt from the frames that roadseg calibrates with, to compare the two.

ModelOpt (Apache-2.0) pins versions of onnx and onnxruntime, so it gets an environment of its own.
It needs no GPU: calibration runs on the CPU.

    python -m venv modelopt && modelopt/bin/pip install "nvidia-modelopt[onnx]"
    python -m roadseg.benchmarks.quantizers mobileunet --data camvid:FOLDER --save m
    modelopt/bin/python examples/modelopt_int8.py m/float.onnx m/frames.npy m/modelopt.onnx
    python -m roadseg.benchmarks.quantizers mobileunet --data camvid:FOLDER --also m/modelopt.onnx
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import onnx
from modelopt.onnx.quantization import quantize


def main() -> None:
    """Quantise with ModelOpt's defaults, all else in float32; note the seconds in the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="float ONNX model")
    parser.add_argument("frames", help=".npy of (N, H, W, 3) uint8 RGB")
    parser.add_argument("out", help="ONNX model to write")
    options = parser.parse_args()
    start = time.perf_counter()
    quantize(
        options.model,
        quantize_mode="int8",
        calibration_data={"pixels": np.load(options.frames)},
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        output_path=options.out,
    )
    model = onnx.load(options.out)
    onnx.helper.set_model_props(model, {"seconds": f"{time.perf_counter() - start:.1f}"})
    onnx.save(model, options.out)


if __name__ == "__main__":
    main()
