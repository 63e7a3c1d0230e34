// decode on the GPU: the masks and confidences that the CPU kernels give.
//
// A thread makes two columns of four rows. The rows mostly lie between the same two rows of
// logits, so the four logits around a column are read once for all of them and kept in registers.
#include "axis_math.h"
#include "cuda_kernels.h"
#include "cuda_launch.h"
#include "logit_math.h"
#include "views.h"

namespace roadseg {

namespace {

constexpr int COLUMNS = 2;
constexpr int ROWS = 4;

struct Sample {
  int from, to;
  float weight;
};

ROADSEG_INLINE Sample sample(int i, int source, int size) {
  const AxisPoint point = axis_point<int32_t>(i < 0 ? 0 : i < size ? i : size - 1, source, size);
  return {point.index, axis_next(point.index, source), axis_weight(point, size)};
}

// Where the logits of a thread's pixels lie in the plane of a class.
struct Patch {
  Sample columns[COLUMNS];
  Sample rows[ROWS];
  int width;
};

// Calls visit(row, column, logit) for each pixel, in the CPU's order of operations.
template <class Visit>
ROADSEG_INLINE void upsample(const float* plane, const Patch& patch, Visit visit) {
  float top[COLUMNS], step[COLUMNS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const Sample& row = patch.rows[r];
    if (r == 0 || row.from != patch.rows[r - 1].from) {
      const float* upper = plane + row.from * patch.width;
      const float* lower = plane + row.to * patch.width;
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c) {
        const Sample& column = patch.columns[c];
        const float left = upper[column.from], right = upper[column.to];
        top[c] = lerp(left, right, column.weight);
        step[c] = lerp(lower[column.from] - left, lower[column.to] - right, column.weight);
      }
    }
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c) visit(r, c, top[c] + multiply(row.weight, step[c]));
  }
}

// Rows of bytes, one word each where the plane is aligned; what lies outside is left alone.
ROADSEG_INLINE void store(const uint8_t (&values)[ROWS][COLUMNS], Plane plane, int x, int y,
                          int width, int height) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    if (y + r < 0 || y + r >= height) continue;
    uint8_t* out = plane.pixels + (y + r) * plane.row_stride + x;
    if (x + COLUMNS <= width && reinterpret_cast<uint64_t>(out) % COLUMNS == 0) {
      memcpy(__builtin_assume_aligned(out, COLUMNS), values[r], COLUMNS);
      continue;
    }
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c) {
      if (x + c < width) out[c] = values[r][c];
    }
  }
}

}  // namespace

// At most 80 registers: 6 blocks of 128 threads live on a multiprocessor at once.
// Rows start at -lead, so that with whole ratios a thread's rows share their logits.
template <bool CONFIDENT>
__global__ void __launch_bounds__(128, 6)
    decode_kernel(Logits logits, Plane mask, Plane confidence, int width, int height, int lead) {
  const int x = COLUMNS * (blockIdx.x * blockDim.x + threadIdx.x);
  const int y = ROWS * static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y) - lead;
  if (x >= width || y >= height) return;
  Patch patch;
  patch.width = logits.width;
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) patch.columns[c] = sample(x + c, logits.width, width);
#pragma unroll
  for (int r = 0; r < ROWS; ++r) patch.rows[r] = sample(y + r, logits.height, height);

  const int64_t plane = static_cast<int64_t>(logits.height) * logits.width;
  float best[ROWS][COLUMNS];
  uint8_t winner[ROWS][COLUMNS] = {};
  upsample(logits.values, patch, [&](int r, int c, float value) { best[r][c] = value; });
#pragma unroll 1  // unrolled it needs twice the registers
  for (int id = 1; id < logits.classes; ++id) {
    upsample(logits.values + id * plane, patch, [&](int r, int c, float value) {
      if (value > best[r][c]) {
        best[r][c] = value;
        winner[r][c] = static_cast<uint8_t>(id);
      }
    });
  }
  store(winner, mask, x, y, width, height);

  if constexpr (CONFIDENT) {
    float sum[ROWS][COLUMNS] = {};
#pragma unroll 1
    for (int id = 0; id < logits.classes; ++id) {
      upsample(logits.values + id * plane, patch, [&](int r, int c, float value) {
        sum[r][c] += exp_negative<float, int32_t>(value - best[r][c]);
      });
    }
    uint8_t share[ROWS][COLUMNS];
#pragma unroll
    for (int i = 0; i < ROWS * COLUMNS; ++i) {
      const float scaled = divide(255.0f, sum[i / COLUMNS][i % COLUMNS]) + 0.5f;
      share[i / COLUMNS][i % COLUMNS] = static_cast<uint8_t>(static_cast<int32_t>(scaled));
    }
    store(share, confidence, x, y, width, height);
  }
}

}  // namespace roadseg

#ifdef __CUDACC_RTC__
// NVRTC makes what is named.
namespace roadseg {
template __global__ void decode_kernel<false>(Logits, Plane, Plane, int, int, int);
template __global__ void decode_kernel<true>(Logits, Plane, Plane, int, int, int);
}  // namespace roadseg
#else

namespace roadseg {

namespace {

cudaError_t launch_decode(const Logits& logits, Plane mask, Plane confidence, int width, int height,
                          void* stream) {
  const int lead = height / logits.height / 2 % ROWS;
  auto* kernel = confidence.pixels ? decode_kernel<true> : decode_kernel<false>;
  return launch(kernel, (width + COLUMNS - 1) / COLUMNS, (height + lead + ROWS - 1) / ROWS, stream,
                logits, mask, confidence, width, height, lead);
}

}  // namespace

}  // namespace roadseg

const char* roadseg_cuda_decode(const float* logits, int classes, int height, int width,
                                uint8_t* mask, int mask_width, int mask_height,
                                int64_t mask_stride, uint8_t* confidence, void* stream) {
  return roadseg::words_of(roadseg::launch_decode({logits, classes, height, width},
                                                  {mask, mask_stride}, {confidence, mask_stride},
                                                  mask_width, mask_height, stream));
}

#endif
