"""OpenVINO IR: the lowered graph as .xml and .bin, for users of OpenVINO itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from roadseg.runtime.artifact import read_artifact, spec_beside
from roadseg.runtime.engines.lowering import lower_for_cpu
from roadseg.runtime.errors import MissingExtra, ModelError, RoadsegError


class OpenVinoTarget:
    """See Target."""

    name, suffix, engine = "openvino", ".xml", "openvino"
    precisions: tuple[str, ...] = ("float32", "float16", "int8")

    def require(self) -> None:
        """See Target."""
        if importlib.util.find_spec("openvino") is None:
            raise MissingExtra("openvino", "openvino", "seg-export --to openvino")

    def convert(self, artifact: Path, out: Path) -> str:
        """See Target. Sizes stay symbolic; INT8 is in the form that OpenVINO fuses."""
        self.require()
        import openvino as ov

        model, spec = read_artifact(artifact)
        try:
            lowered = lower_for_cpu(model, spec.multiple)
            network = ov.Core().read_model(lowered.SerializeToString())
        except RuntimeError as error:
            raise ModelError(f"{artifact}: OpenVINO cannot take it ({_reason(error)})") from None
        try:
            ov.save_model(network, out, compress_to_fp16=False)
        except RuntimeError as error:
            raise RoadsegError(f"{out}: cannot be written, disk full? ({_reason(error)})") from None
        spec_beside(out).write_text(spec.to_json(indent=1))
        return "OpenVINO IR, .xml and .bin"


def _reason(error: RuntimeError) -> str:
    """Return the line that names the operators that OpenVINO lacks, or else its last one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "No conversion rule" in line), lines[-1])
