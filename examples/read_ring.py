"""Read masks of `seg-run --camera 0 --ring road`: python read_ring.py road. See docs/ring.md."""

import sys
import time

import numpy as np

ring = np.memmap(f"/dev/shm/{sys.argv[1]}", np.uint8, "r")
header_bytes, slots, slot_header = (int(n) for n in ring[12:24].view("<u4"))
slot_bytes = int(ring[24:32].view("<u8")[0])
width, height = (int(n) for n in ring[32:40].view("<u4"))
seen = 0
while not ring[72]:  # until it is closed
    if (written := int(ring[64:72].view("<u8")[0])) == seen:
        time.sleep(0.001)
        continue
    start = header_bytes + (written - 1) % slots * slot_bytes
    slot = ring[start : start + slot_header].view("<u8")
    before = int(slot[0])
    mask = ring[start + slot_header :][: width * height].reshape(height, width).copy()
    sequence = int(slot[1])
    if before % 2 or before != int(slot[0]):
        continue  # it was written meanwhile
    seen = written
    print(sequence, *np.bincount(mask.ravel(), minlength=1), flush=True)
