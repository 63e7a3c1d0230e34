// A mask's colours over a picture.
#pragma once

#include <cstdint>

namespace roadseg {

// pixels, out: (height, width, 3) with row strides in bytes; they may be the same.
// palette: (256, 3); id 255 leaves the pixel alone. alpha: 0 (the picture) to 1 (the colours).
void overlay(const uint8_t* pixels, int64_t pixel_stride, const uint8_t* mask, int64_t mask_stride,
             const uint8_t* palette, float alpha, uint8_t* out, int64_t out_stride, int width,
             int height);

}  // namespace roadseg
