"""OpenVINO IR: the lowered graph as .xml and .bin, for users of OpenVINO itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from roadseg.runtime.artifact import read_artifact, spec_beside
from roadseg.runtime.engines.lowering import lower_for_openvino
from roadseg.runtime.errors import MissingExtra, ModelError


class OpenVinoTarget:
    """See Target."""

    name, suffix, engine = "openvino", ".xml", "openvino"

    def convert(self, artifact: Path, out: Path) -> str:
        """See Target. Sizes stay symbolic; INT8 is in the form that OpenVINO fuses."""
        if importlib.util.find_spec("openvino") is None:
            raise MissingExtra("openvino", "openvino", "seg-export --to openvino")
        import openvino as ov

        model, spec = read_artifact(artifact)
        try:
            network = ov.Core().read_model(lower_for_openvino(model).SerializeToString())
            ov.save_model(network, out, compress_to_fp16=False)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1]
            raise ModelError(f"{artifact}: OpenVINO cannot take it ({reason})") from None
        spec_beside(out).write_text(spec.to_json(indent=1))
        return "OpenVINO IR, .xml and .bin"
