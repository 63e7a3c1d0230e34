#include "axis.h"

#include "axis_math.h"

namespace roadseg {

bool Axis::prepare(int source_size, int new_size) {
  if (source == source_size && size() == new_size) return false;
  source = source_size;
  index.resize(new_size);
  weight.resize(new_size);
  weight_q15.resize(new_size);
  for (int i = 0; i < new_size; ++i) {
    const AxisPoint point = axis_point<int64_t>(i, source_size, new_size);
    index[i] = point.index;
    weight[i] = axis_weight(point, new_size);
    weight_q15[i] = axis_weight_q15<uint64_t>(point, new_size);
  }
  return true;
}

}  // namespace roadseg
