"""A TensorRT plan: for this machine's GPU and TensorRT version, with its JSON beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadseg.export.check_dla import dla_warnings
from roadseg.export.check_tensorrt import check_tensorrt
from roadseg.export.options import ExportOptions
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec
from roadseg.runtime.tensorrt.options import NO_DLA, PlanOptions
from roadseg.runtime.tensorrt.plan_cache import make_plan, onnx_content, tell
from roadseg.runtime.tensorrt.platform import open_platform

PURPOSE = "seg-export --to tensorrt"
SHOWN = 8  # warnings


@dataclass(frozen=True)
class TensorRtTarget:
    """See Target.

    options: of the plan; None for the artefact's own size and nothing else.
    """

    options: PlanOptions | None = None
    name = "tensorrt"
    suffix = ".plan"
    engine = "tensorrt"
    precisions = ("float32", "float16", "int8")

    @classmethod
    def of(cls, options: ExportOptions, spec: ModelSpec) -> TensorRtTarget:
        """Return the target that seg-export was asked for.

        Raises UsageError or ModelError for bad options.
        """
        sizes = options.plan_sizes or (Size(spec.width, spec.height),)
        if len(sizes) not in (1, 3):
            raise UsageError(f"plan_sizes has {len(sizes)} sizes: give one, or least,best,most")
        for size in sizes:
            spec.check_size(size.width, size.height)
        least, best, most = sizes if len(sizes) == 3 else sizes * 3
        plan = PlanOptions(
            least,
            best,
            most,
            workspace_mb=options.plan_workspace_mb,
            dla_core=options.plan_dla_core,
            version_compatible=options.plan_version_compatible,
            hardware=options.plan_hardware,
        )
        return cls(plan)

    def require(self) -> None:
        """See Target; raises SourceError without a GPU, UsageError without TensorRT."""
        open_platform(PURPOSE)

    def convert(self, artifact: Path, out: Path) -> str:
        """See Target. The GPU must be the one that will run the plan.

        Raises SourceError without a GPU, UsageError without TensorRT.
        """
        model, spec = read_artifact(artifact)
        options = self.options or PlanOptions.of_size(Size(spec.width, spec.height))
        check_tensorrt(model, artifact.name, profiled=[model.graph.input[0].name])
        if options.dla_core != NO_DLA:
            _warn(dla_warnings(model, options.best))
        platform = open_platform(PURPOSE)
        return make_plan(out, onnx_content(model), spec, options, platform)


def _warn(warnings: list[str]) -> None:
    for line in warnings[:SHOWN]:
        tell(f"DLA: {line}")
    if len(warnings) > SHOWN:
        tell(f"DLA: and {len(warnings) - SHOWN} more")
