#!/usr/bin/env bash
# Trains the networks in the package again, measures them on a drive that they never saw, and exports
# them: examples/train_networks.sh CAMVID_FOLDER [OUT]. On two CPU cores about six hours; a stopped
# run goes on when the script is started again.
set -euo pipefail

camvid=${1:?where is CamVid (train/images, train/masks, val/images, val/masks)?}
out=${2:-runs}
data=camvid:$camvid

train() { # OUT, then what differs
  local run=$out/$1
  shift
  if [ -f "$run/done" ]; then return; fi
  seg-train --data "$data" --out "$run" --size 960x704 --crop 704x640 --scale-min 0.6 --scale-max 2.0 \
    --class-weights sqrt --weight-decay 0.02 --warmup 0.5 --evaluate-every 6 "$@" \
    $([ -f "$run/last.pt" ] && echo --resume)
  touch "$run/done"
}

unet='{"stem_stride": 4, "stride": 4}'
deeplab='{"stem_stride": 4, "stride": 8, "rates": [4, 8, 12]}'
train mobileunet --network-options "$unet" --lr 1.5e-3 --epochs 90
train deeplabv3plus --network deeplabv3plus --network-options "$deeplab" \
  --weights "$out/mobileunet/last.pt" --lr 1.5e-3 --backbone-lr 0.3 --epochs 33
train mobileunet_held --network-options "$unet" --lr 1.5e-3 --epochs 40 --holdout 0006R0
train deeplabv3plus_held --network deeplabv3plus --network-options "$deeplab" --holdout 0006R0 \
  --weights "$out/mobileunet_held/last.pt" --lr 1.5e-3 --backbone-lr 0.3 --epochs 20

for network in mobileunet deeplabv3plus; do
  seg-export "$out/$network/last.pt" --int8 --half-weights --bias-correction --size 1024x512 --data "$data" \
    --score-frames 101 --out "$out/models"
done
