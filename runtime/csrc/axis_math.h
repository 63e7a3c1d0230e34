// Where the samples of a resized axis come from, in whole numbers: the same on CPU and GPU.
#pragma once

#include "portable.h"

namespace roadseg {

// Output i of `size` lies at index + remainder / (2 * size) of `source` samples.
// Half-pixel centres, edges clamped: torch's align_corners=False, OpenCV's INTER_LINEAR.
struct AxisPoint {
  int32_t index;
  uint32_t remainder;  // below 2 * size
};

// Int holds 2 * size * source: 32 bits are enough up to MAX_AXIS, and much faster on a GPU.
constexpr int MAX_AXIS = 32767;

template <class Int>
ROADSEG_INLINE AxisPoint axis_point(int i, int source, int size) {
  const Int denominator = 2 * static_cast<Int>(size);
  const Int last = denominator * (source - 1);
  Int position = (2 * static_cast<Int>(i) + 1) * source - size;
  position = position < 0 ? 0 : position > last ? last : position;
  return {static_cast<int32_t>(position / denominator),
          static_cast<uint32_t>(position % denominator)};
}

ROADSEG_INLINE float axis_weight(AxisPoint point, int size) {
  return divide(static_cast<float>(point.remainder), static_cast<float>(2 * size));
}

// Rounded to Q15, and below 1.
template <class Unsigned>
ROADSEG_INLINE int16_t axis_weight_q15(AxisPoint point, int size) {
  const Unsigned rounded = (static_cast<Unsigned>(point.remainder) * 32768 + size) /
                           (2 * static_cast<Unsigned>(size));
  return static_cast<int16_t>(rounded < 32767 ? rounded : 32767);
}

ROADSEG_INLINE int axis_next(int index, int source) {
  return index + 1 < source ? index + 1 : index;
}

}  // namespace roadseg
