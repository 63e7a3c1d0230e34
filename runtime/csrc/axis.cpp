#include "axis.h"

#include <algorithm>
#include <cmath>

namespace roadseg {

bool Axis::prepare(int source_size, int new_size) {
  if (source == source_size && size() == new_size) return false;
  source = source_size;
  index.resize(new_size);
  weight.resize(new_size);
  weight_q15.resize(new_size);
  const double scale = static_cast<double>(source_size) / new_size;
  for (int i = 0; i < new_size; ++i) {
    const double position = std::clamp((i + 0.5) * scale - 0.5, 0.0, source_size - 1.0);
    index[i] = static_cast<int32_t>(position);
    const double fraction = position - index[i];
    weight[i] = static_cast<float>(fraction);
    weight_q15[i] = static_cast<int16_t>(std::min(std::lround(fraction * 32768), 32767L));
  }
  return true;
}

}  // namespace roadseg
