#!/usr/bin/env bash
# Trains the networks in the package again, exports them, and measures their recipe on drives that it
# never saw: examples/train_networks.sh CAMVID_FOLDER IDD_LITE_FOLDER [OUT]. On two CPU cores some thirteen
# hours, by images a second; a stopped run goes on when the script is started again. TRY=1 does one
# short epoch of each stage, to see that all of it works.
#
# Each network learns CamVid, goes on with IDD-Lite beside, is the mean of its weights before and after,
# and has its head's biases fitted to mIoU. MobileUNet then goes on once more, with harder colours, weather,
# blur and JPEG, and is again the mean of before and after. RoadNet learns both sets from random weights, with that MobileUNet in
# INT8 as teacher. The numbers of epochs are those of the networks in the package.
set -euo pipefail

camvid=camvid:${1:?where is CamVid (train/images, train/masks, val/images, val/masks)?}
both=$camvid,idd_lite:${2:?where is IDD-Lite (leftImg8bit/train, gtFine/train)?}
out=${3:-runs}

first="--data $camvid --size 960x704 --crop 704x640 --warmup 0.5 --lr 1.5e-3 --evaluate-every 6"
second="--data $both --mix 3,5 --size 1024x512 --crop 768x448 --aspect 1.4 --warmup 0.3 --lr 1e-3
  --backbone-lr 0.7 --evaluate-every 100"
third="$second --color 1.5 --weather 0.15 --blur 0.15 --jpeg 0.15"
export_size=1024x512
short=
if [ -n "${TRY:-}" ]; then
  export_size=256x128
  short="--epochs 1 --size $export_size --crop 128x128"
fi

train() { # OUT, the stage's options, then what differs
  local run=$out/$1 stage=$2
  shift 2
  if [ -f "$run/done" ]; then return; fi
  # Stages are lists of words.
  # shellcheck disable=SC2086
  seg-train $stage --out "$run" --scale-min 0.6 --scale-max 2.0 --class-weights sqrt --weight-decay 0.02 \
    "$@" $short $([ -f "$run/last.pt" ] && echo --resume)
  touch "$run/done"
}

average() { # OUT, then FILE:SHARE...
  python3 -m roadseg.train.averaging "$@"
}

adjust() { # OUT, the checkpoint, then what it is fitted to
  python3 -m roadseg.train.logit_adjustment "$@"
}

export_both() { # the checkpoint
  seg-export "$1" --int8 --half-weights --bias-correction --size "$export_size" --data "$camvid" \
    --score-frames 101 --out "$out/models"
}

unet=(--network-options '{"stem_stride": 4, "stride": 4}')
deeplab=(--network deeplabv3plus --network-options '{"stem_stride": 4, "stride": 8, "rates": [4, 8, 12]}')

train mobileunet_camvid "$first" "${unet[@]}" --epochs 90
train mobileunet_both "$second" "${unet[@]}" --weights "$out/mobileunet_camvid/last.pt" --epochs 26
average "$out/mobileunet_two.pt" "$out/mobileunet_camvid/last.pt:0.3" "$out/mobileunet_both/last.pt:0.7"
adjust "$out/mobileunet_fitted.pt" "$out/mobileunet_two.pt" --data "$both"
train mobileunet_more "$third" "${unet[@]}" --weights "$out/mobileunet_fitted.pt" --epochs 17
average "$out/mobileunet_mean.pt" "$out/mobileunet_fitted.pt:0.7" "$out/mobileunet_more/last.pt:0.3"

train deeplabv3plus_camvid "$first" "${deeplab[@]}" \
  --weights "$out/mobileunet_camvid/last.pt" --backbone-lr 0.3 --epochs 33
train deeplabv3plus_both "$second" "${deeplab[@]}" --weights "$out/deeplabv3plus_camvid/last.pt" \
  --teacher "$out/mobileunet_both/last.pt" --epochs 11
average "$out/deeplabv3plus_mean.pt" "$out/deeplabv3plus_camvid/last.pt:0.5" "$out/deeplabv3plus_both/last.pt:0.5"

for network in mobileunet deeplabv3plus; do
  adjust "$out/$network.pt" "$out/${network}_mean.pt" --data "$both"
  export_both "$out/$network.pt"
done

roadnet="--network roadnet --data $both --aspect 1.4 --evaluate-every 100 --teacher $out/models/mobileunet-int8.onnx"
small="$roadnet --size 640x320 --crop 448x256 --batch-size 16"
large="$roadnet --size 1024x512 --crop 768x448 --warmup 0.3"
merged=(--network-options '{"branches": false}')
more=(--color 1.5 --weather 0.1 --blur 0.1 --jpeg 0.1 --mix 4,4)

train roadnet_small "$small" --weights none --mix 6,10 --lr 4e-3 --scale-min 0.8 --epochs 81
train roadnet_large "$large" --weights "$out/roadnet_small/last.pt" --mix 3,5 --lr 2e-3 --epochs 33
adjust "$out/roadnet_first.pt" "$out/roadnet_large/last.pt" --data "$both"
seg-export "$out/roadnet_first.pt" --size "$export_size" --data "$camvid" --name roadnet_first --out "$out/merged"
train roadnet_more "$small" "${more[@]}" --weights "$out/merged/roadnet_first.onnx" --mix 7,9 --lr 3e-3 --epochs 52
train roadnet_one "$large" "${merged[@]}" "${more[@]}" --weights "$out/roadnet_more/last.pt" --lr 2e-3 --epochs 14
train roadnet_other "$large" "${merged[@]}" "${more[@]}" --weights "$out/roadnet_more/last.pt" --lr 2e-3 --epochs 13 --seed 1
average "$out/roadnet_mean.pt" "$out/roadnet_one/last.pt:0.5" "$out/roadnet_other/last.pt:0.5"
adjust "$out/roadnet_second.pt" "$out/roadnet_mean.pt" --data "$both"
train roadnet_third "$large" "${merged[@]}" "${more[@]}" --weights "$out/roadnet_second.pt" --lr 3e-3 --epochs 41 --seed 5
average "$out/roadnet_third.pt" "$out/roadnet_second.pt:0.5" "$out/roadnet_third/last.pt:0.5"
train roadnet_fourth "$large" "${merged[@]}" "${more[@]}" --weights "$out/roadnet_third.pt" --lr 3e-3 --epochs 42 --seed 12
average "$out/roadnet_fourth.pt" "$out/roadnet_third.pt:0.4" "$out/roadnet_fourth/last.pt:0.6" --folded
adjust "$out/roadnet.pt" "$out/roadnet_fourth.pt" --data "$both"
export_both "$out/roadnet.pt"

# Without a drive of CamVid and 31 drives of IDD-Lite: what the first two parts are worth on roads that nobody
# showed them. Both runs end with the scores on these drives; of their mean seg-bench tells that of each
# of CamVid's drives, the held-out one among them.
camvid_held=0006R0
idd_lite_held=100,116,117,137,144,236,237,252,265,268,275,295,316,321,333,36
idd_lite_held+=,380,417,421,422,429,431,437,44,46,477,532,548,72,81,96
train mobileunet_camvid_held "$first" "${unet[@]}" --epochs 40 --holdout "$camvid_held"
train mobileunet_both_held "$second" "${unet[@]}" --weights "$out/mobileunet_camvid_held/last.pt" \
  --epochs 19 --holdout "$camvid_held,$idd_lite_held"
average "$out/mobileunet_held_mean.pt" "$out/mobileunet_camvid_held/last.pt:0.3" \
  "$out/mobileunet_both_held/last.pt:0.7"
adjust "$out/mobileunet_held.pt" "$out/mobileunet_held_mean.pt" --data "$both" \
  --holdout "$camvid_held,$idd_lite_held"
seg-export "$out/mobileunet_held.pt" --size "$export_size" --data "$camvid" --out "$out/held"
seg-bench "$out/held/mobileunet.onnx" --data "$camvid" --split train --out "$out/held/report"
