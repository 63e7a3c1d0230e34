#!/usr/bin/env bash
# Run once on a Jetson, an automotive GPU's host or another box: what roadseg does there.
# usage: examples/device_check.sh [OUT [CAMERA]]     then send OUT.tar.gz
set -uo pipefail
out=${1:-device-check} camera=${2:-}
mkdir -p "$out"

echo "machine" && {
  uname -a
  cat /etc/os-release
  [ -r /etc/nv_tegra_release ] && cat /etc/nv_tegra_release
  command -v lscpu >/dev/null && lscpu
  python3 -VV
  python3 -m pip list 2>/dev/null
} >"$out/machine.txt" 2>&1

step() { # step NAME COMMAND...: run it, keep what it says and its exit code
  local name=$1
  shift
  echo "$name: $*"
  "$@" >"$out/$name.txt" 2>&1
  echo "exit code $?" | tee -a "$out/$name.txt"
}

networks=(mobileunet mobileunet-int8 deeplabv3plus deeplabv3plus-int8)
for network in "${networks[@]}"; do
  step "selftest-$network" seg-run "$network" --selftest
done
step bench seg-bench "${networks[@]}" --n 100 --out "$out/bench"
step live seg-run 'synthetic:?size=1280x720&fps=30&live=1' --frames 900 --jsonl "$out/live.jsonl"
step cameras seg-run --list-cameras
if [ -n "$camera" ]; then
  for mode in mmap userptr expbuf dmabuf; do # those that the driver has
    step "camera-$mode" seg-run --camera "$camera?mode=$mode" --frames 60
  done
  step camera seg-run --camera "$camera" --frames 900 --jsonl "$out/camera.jsonl" \
    --sheet "$out/camera.png"
fi

tar czf "$out.tar.gz" "$out" && echo "wrote $out.tar.gz: a picture of the camera's view is in it" \
  "only when a camera was named"
