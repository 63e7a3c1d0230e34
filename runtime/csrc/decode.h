// Low-resolution logits to a mask of any size; the upsampled logits never exist as a whole.
#pragma once

#include "views.h"

namespace roadseg {

// Bilinear (half-pixel centres), then the first of the largest.
// confidence: round(255 * softmax of the winning class).
void decode(const Logits& logits, Plane mask, Plane confidence, int width, int height);

// Adds how many pixels there are of each id.
void count_ids(const uint8_t* mask, int64_t row_stride, int width, int height, int64_t counts[256]);

}  // namespace roadseg
