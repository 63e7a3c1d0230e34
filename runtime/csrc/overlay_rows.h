// Inner loop of overlay: look the colours up pixel by pixel, then blend all bytes alike.
#pragma once

#include <cstring>

#include "pixel_math.h"
#include "row_kernels.h"

namespace roadseg {

static void overlay_row(const uint8_t* pixels, const uint8_t* mask, const uint8_t* palette,
                        int alpha, int width, uint8_t* out) {
  uint8_t colours[3 * BLOCK + 1];  // a colour is written as four bytes
  for (int start = 0; start < width; start += BLOCK) {
    const int n = width - start < BLOCK ? width - start : BLOCK;
    for (int i = 0; i < n; ++i) {
      const uint8_t id = mask[start + i];
      if (id == 255) {
        std::memcpy(colours + 3 * i, pixels + 3 * (start + i), 3);
      } else {
        std::memcpy(colours + 3 * i, palette + 4 * id, 4);
      }
    }
    for (int i = 0; i < 3 * n; ++i) {
      out[3 * start + i] = blend(pixels[3 * start + i], colours[i], alpha);
    }
  }
}

}  // namespace roadseg
