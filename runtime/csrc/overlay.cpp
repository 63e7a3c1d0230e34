#include "overlay.h"

#include <cmath>
#include <cstring>

#include "isa.h"

namespace roadseg {

void overlay(const uint8_t* pixels, int64_t pixel_stride, const uint8_t* mask, int64_t mask_stride,
             const uint8_t* palette, float alpha, uint8_t* out, int64_t out_stride, int width,
             int height) {
  uint8_t padded[256 * 4] = {};  // four bytes an entry: looked up and stored as one word
  for (int id = 0; id < 256; ++id) std::memcpy(padded + 4 * id, palette + 3 * id, 3);
  const auto alpha_256 = static_cast<uint16_t>(std::lround(alpha * 256));
  const RowKernels& rows = kernels();
  for (int y = 0; y < height; ++y) {
    rows.overlay_row(pixels + y * pixel_stride, mask + y * mask_stride, padded, alpha_256, width,
                     out + y * out_stride);
  }
}

}  // namespace roadseg
