"""TorchScript of the float network, for users of libtorch."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from roadseg.export.torch_network import require_torch, torch_network
from roadseg.runtime.artifact import read_artifact, spec_beside
from roadseg.runtime.spec import METADATA_KEY


class TorchScriptTarget:
    """See Target. The graph of the artefact is traced; any size that the network takes."""

    name, suffix, engine = "torchscript", ".torchscript", "torchscript"
    precisions: tuple[str, ...] = ("float32",)

    def require(self) -> None:
        """See Target."""
        require_torch(self.name)

    def convert(self, artifact: Path, out: Path) -> str:
        """See Target. The ModelSpec is also inside, as the extra file roadseg.json."""
        model, spec = read_artifact(artifact)
        network = torch_network(model, self.name)
        import torch

        example = torch.zeros(1, spec.height, spec.width, 3, dtype=torch.uint8)
        with warnings.catch_warnings(), torch.no_grad():
            # torch calls TorchScript deprecated; its users are those who cannot leave it yet.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined] # constants are constants
            traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
            # Into memory first: torch ends the process when a disk is full.
            content = io.BytesIO()
            torch.jit.save(traced, content, _extra_files={f"{METADATA_KEY}.json": spec.to_json()})
        out.write_bytes(content.getvalue())
        spec_beside(out).write_text(spec.to_json(indent=1))
        return "TorchScript, traced"
