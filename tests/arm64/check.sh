#!/usr/bin/env bash
# check.sh [--cameras]: the native modules, cross-compiled for aarch64 and run by qemu-user: they give
# the same bytes as on this machine, and pass their tests. --cameras: and the camera tests on an arm64
# kernel, emulated as a whole.
#
# The first run fetches an arm64 Debian userland and wheels; all of it lies in build/arm64.
# Needs (apt): g++-aarch64-linux-gnu qemu-user-static mmdebstrap, and for --cameras qemu-system-arm and
# what tests/camera_vm needs. PYTHON: an environment with roadseg, its build tools and Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-build/venv-test/bin/python}
out=$PWD/build/arm64
"$PYTHON" -c "import roadseg, nanobind" 2>/dev/null && type cmake aarch64-linux-gnu-g++ >/dev/null ||
  { echo "check.sh: needs roadseg and nanobind in $PYTHON, cmake and aarch64-linux-gnu-g++" >&2; exit 1; }
export ARM_CACHE=$out/userland ARM_CPU=${ARM_CPU:-cortex-a57} # Jetson Nano's: the least there is
export ARM_DEBS="libpython3.11-dev"
export ARM_WHEELS="numpy<2.5 opencv-python-headless>=4.9 onnxruntime onnx pytest typing_extensions tomli"
root=$(tests/arm64/run-on-arm64.sh --root)

# Python's headers say what machine they are for.
mkdir -p "$out/include/aarch64-linux-gnu" "$out/site/roadseg/runtime"
ln -sfn "$root/usr/include/aarch64-linux-gnu/python3.11" "$out/include/aarch64-linux-gnu/python3.11"
cmake -S . -B "$out/cmake" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_CXX_FLAGS="-I$out/include" \
  -DSKBUILD_PROJECT_NAME=roadseg -DSKBUILD_PROJECT_VERSION=0 -DNB_SUFFIX=.so -DNB_SUFFIX_S=.so \
  -DPython_EXECUTABLE="$PWD/$PYTHON" -DPython_INCLUDE_DIR="$root/usr/include/python3.11" \
  -Dnanobind_DIR="$("$PYTHON" -m nanobind --cmake_dir)" >"$out/cmake.log"
cmake --build "$out/cmake" >>"$out/cmake.log"

# The package as it would be installed: links to the sources, and the modules.
ln -sfn "$PWD"/runtime/* "$out/site/roadseg/runtime/"
cp "$out"/cmake/_*.so "$out/site/roadseg/runtime/"
echo '__version__ = "0"' >"$out/site/roadseg/__init__.py"
for module in "$out"/site/roadseg/runtime/_*.so; do
  newest=$(aarch64-linux-gnu-objdump -T "$module" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
  echo "$(basename "$module"): needs $newest"
done

"$PYTHON" tests/arm64/kernel_digests.py >"$out/here.txt"
export ARM_PYTHONPATH=$out/site:/opt/site ARM_ENV=PYTHONDONTWRITEBYTECODE PYTHONDONTWRITEBYTECODE=1
tests/arm64/run-on-arm64.sh python3 tests/arm64/kernel_digests.py >"$out/arm64.txt"
diff "$out/here.txt" "$out/arm64.txt"
echo "$(wc -l <"$out/here.txt") results of the kernels are the same, byte for byte, on $ARM_CPU"
tests/arm64/run-on-arm64.sh python3 -m pytest -q -p no:cacheprovider \
  tests/runtime/test_preprocess.py tests/runtime/test_decode.py tests/runtime/test_overlay.py

if [ "${1:-}" = --cameras ]; then
  export VM_ARCH=arm64 VM_UDEV=1 VM_CACHE=$PWD/build/camera-vm VM_TIMEOUT=1800 PYTHONPATH=$ARM_PYTHONPATH
  export VM_MODULES="vivid n_devs=3 node_types=0x1,0x1,0x101 num_inputs=1,1,1 input_types=0,0,0 multiplanar=1,2,1;vhci_hcd;uvcvideo"
  export VM_ENV=MODEL MODEL=$PWD/runtime/models/mobileunet-int8.onnx
  tests/camera_vm/run-in-vm.sh env PYTHONPATH="$PYTHONPATH" python3 -m pytest -q -p no:cacheprovider \
    -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true \
    -o "pythonpath=tests/camera_vm tests/camera_vm/guest" tests/camera_vm/guest/test_{pixels,stream,usb}.py
fi
