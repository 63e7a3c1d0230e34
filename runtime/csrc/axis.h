// Where the samples of one axis come from when it is resized bilinearly.
#pragma once

#include <cstdint>
#include <vector>

namespace roadseg {

// Half-pixel centres, edges clamped: torch's align_corners=False, OpenCV's INTER_LINEAR.
// Output i is source[index[i]] * (1 - weight[i]) + source[index[i] + 1] * weight[i];
// at the far edge the weight is 0 and index[i] + 1 may lie outside.
struct Axis {
  int source = 0;
  std::vector<int32_t> index;
  std::vector<float> weight;         // 0 <= weight < 1
  std::vector<int16_t> weight_q15;

  int size() const { return static_cast<int>(index.size()); }
  int next(int i) const { return index[i] + 1 < source ? index[i] + 1 : index[i]; }

  // Computed when the sizes change, and kept. True when it was computed.
  bool prepare(int source_size, int size);
};

}  // namespace roadseg
