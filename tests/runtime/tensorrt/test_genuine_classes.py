"""The wrapper against the genuine classes of TensorRT 10.3, 10.13 and 11.4, which need no GPU.

The wheels of TensorRT's Python bindings are fetched by pip once, into build/. The libraries that
they link come with a device, so stubs are compiled that give null for everything.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SYMBOLS = (
    *(f"create{name}_INTERNAL" for name in ("InferBuilder", "InferRuntime", "InferRefitter")),
    *(f"create{name}_INTERNAL" for name in ("NvOnnxParser", "NvOnnxParserRefitter")),
    *("getNvOnnxParserVersion", "getPluginRegistry", "getBuilderPluginRegistry"),
    "initLibNvInferPlugins",
)
VERSIONS = {
    "10.3": "tensorrt-cu12-bindings==10.3.0",
    "10.13": "tensorrt-cu12-bindings==10.13.3.9",
    "11.4": "tensorrt-cu13-bindings==11.4.*",
}


def unpacked(version: str) -> Path:
    """Return the folder of a wheel of the bindings, fetched when it is not there."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    folder = ROOT / "build" / "tensorrt-bindings" / f"{version}-{tag}"
    if folder.is_dir():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--timeout=10"]
    words += ["--retries=1", "--disable-pip-version-check", "--dest", str(part)]
    run = subprocess.run(
        [sys.executable, "-m", "pip", *words, VERSIONS[version]], capture_output=True, text=True
    )
    if run.returncode:
        shutil.rmtree(part, ignore_errors=True)
        pytest.skip(f"pip cannot fetch {VERSIONS[version]} for {tag}")
    for wheel in part.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(part)
        wheel.unlink()
    part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def compiler() -> str:
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    pytest.skip("the stub libraries need a C compiler")


def stubs(compiler: str, major: str, folder: Path) -> Path:
    """Compile the libraries that the bindings link."""
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in SYMBOLS))
    made = folder / "stubs"
    made.mkdir()
    for stem in ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin"):
        name = f"{stem}.so.{major}"
        words = ["-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(made / name), str(source)]
        subprocess.run([compiler, *words], check=True, capture_output=True)
    return made


@pytest.mark.parametrize("version", VERSIONS)
def test_the_builder_and_the_engine_use_names_that_exist(
    version: str, compiler: str, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("on_genuine_classes.py")
    folder = unpacked(version)
    made = stubs(compiler, version.split(".")[0], tmp_path)
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(folder), str(made)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"TensorRT {version}.")
