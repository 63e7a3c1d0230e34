// Inner loop of overlay: look the colours up pixel by pixel, then blend all bytes alike.
#pragma once

#include <cstring>

#include "pixel_math.h"
#include "row_kernels.h"

namespace roadseg {

static void overlay_row(const uint8_t* pixels, const uint8_t* mask, const uint8_t* palette,
                        uint16_t alpha, int width, uint8_t* out) {
  constexpr int CHUNK = 512;       // stays in the L1 cache
  uint8_t colours[3 * CHUNK + 1];  // a colour is written as four bytes
  for (int start = 0; start < width; start += CHUNK) {
    const int n = width - start < CHUNK ? width - start : CHUNK;
    const uint8_t* from = pixels + 3 * start;
    for (int i = 0; i < n; ++i) {
      const uint8_t id = mask[start + i];
      if (id == 255) {
        std::memcpy(colours + 3 * i, from + 3 * i, 3);
      } else {
        std::memcpy(colours + 3 * i, palette + 4 * id, 4);
      }
    }
    for (int i = 0; i < 3 * n; ++i) out[3 * start + i] = blend(from[i], colours[i], alpha);
  }
}

}  // namespace roadseg
