// Inner loops of decode, in the compiler's vector types: one source for every vector length.
#pragma once

#include <cstdint>
#include <cstring>

#include "logit_math.h"
#include "row_kernels.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace roadseg {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif
constexpr int LANES = VECTOR_BYTES / 4;
constexpr int VECTORS = VECTOR_BYTES == 64 ? 2 : 4;  // in flight, to hide latency and stay in registers
constexpr int STRIP = LANES * VECTORS;
static_assert(BLOCK % STRIP == 0);

typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Ints __attribute__((vector_size(VECTOR_BYTES)));

static inline Floats load_floats(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

// Running argmax over STRIP columns; a later class must be strictly larger.
struct Leader {
  Floats best[VECTORS];
  Ints id[VECTORS];

  template <class Value>
  inline void run(int classes, Value value) {
    for (int k = 0; k < VECTORS; ++k) {
      best[k] = value(0, k);
      id[k] = Ints{};
    }
    for (int c = 1; c < classes; ++c) {
      for (int k = 0; k < VECTORS; ++k) {
        const Floats candidate = value(c, k);
        const Ints larger = candidate > best[k];
        best[k] = larger ? candidate : best[k];
        id[k] = larger ? Ints{} + c : id[k];
      }
    }
  }

  inline void store(uint8_t* winners) const {
    alignas(64) int32_t ids[STRIP];
    std::memcpy(ids, id, sizeof ids);
    for (int i = 0; i < STRIP; ++i) winners[i] = static_cast<uint8_t>(ids[i]);
  }
};

static void argmax_row(LogitRow row, int width, uint8_t* winners) {
  int x = 0;
  for (; x + STRIP <= width; x += STRIP) {
    Leader leader;
    leader.run(row.classes, [&](int c, int k) {
      return load_floats(row.values + c * row.class_stride + x + k * LANES);
    });
    leader.store(winners + x);
  }
  for (; x < width; ++x) {
    int best = 0;
    for (int c = 1; c < row.classes; ++c) {
      if (row.values[c * row.class_stride + x] > row.values[best * row.class_stride + x]) best = c;
    }
    winners[x] = static_cast<uint8_t>(best);
  }
}

#ifdef __AVX2__
static inline __m256 lerp_window(__m256 window, __m256i left, __m256i right, __m256 weight) {
  const __m256 from = _mm256_permutevar8x32_ps(window, left);
  const __m256 to = _mm256_permutevar8x32_ps(window, right);
  return lerp(from, to, weight);
}

static inline __m256i load_order(const int32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

static inline void widen_narrow(const float* top_row, const float* bottom_row,
                                const Columns& columns, float* top, float* step) {
  for (int x = 0; x < BLOCK; x += WINDOW) {
    const int base = columns.base[x / WINDOW];
    const __m256i left = load_order(columns.left + x);
    const __m256i right = load_order(columns.right + x);
    const __m256 weight = _mm256_loadu_ps(columns.weight + x);
    const __m256 values = _mm256_loadu_ps(top_row + base);
    const __m256 steps = _mm256_loadu_ps(bottom_row + base) - values;
    _mm256_storeu_ps(top + x, lerp_window(values, left, right, weight));
    _mm256_storeu_ps(step + x, lerp_window(steps, left, right, weight));
  }
}
#endif

static inline void widen_any(const float* top_row, const float* bottom_row, const Columns& columns,
                             float* top, float* step) {
  for (int x = 0; x < BLOCK; ++x) {
    const int left = columns.base[x / WINDOW] + columns.left[x];
    const int right = columns.base[x / WINDOW] + columns.right[x];
    const float left_step = bottom_row[left] - top_row[left];
    const float right_step = bottom_row[right] - top_row[right];
    top[x] = lerp(top_row[left], top_row[right], columns.weight[x]);
    step[x] = lerp(left_step, right_step, columns.weight[x]);
  }
}

static void widen_block(LogitRow top_row, LogitRow bottom_row, Columns columns, float* top,
                        float* step) {
  auto* widen = widen_any;
#ifdef __AVX2__
  if (columns.narrow) widen = widen_narrow;
#endif
  for (int c = 0; c < top_row.classes; ++c) {
    widen(top_row.values + c * top_row.class_stride, bottom_row.values + c * top_row.class_stride,
          columns, top + c * BLOCK, step + c * BLOCK);
  }
}

template <class Value>
static inline void store_confidence(const Leader& leader, int classes, Value value,
                                    uint8_t* confidence) {
  alignas(64) float scaled[STRIP];
  for (int k = 0; k < VECTORS; ++k) {
    Floats sum = Floats{};
    for (int c = 0; c < classes; ++c) sum += exp_negative<Floats, Ints>(value(c, k) - leader.best[k]);
    const Floats share = all<Floats>(255.0f) / sum + all<Floats>(0.5f);
    std::memcpy(scaled + k * LANES, &share, sizeof share);
  }
  for (int i = 0; i < STRIP; ++i) {
    confidence[i] = static_cast<uint8_t>(static_cast<int32_t>(scaled[i]));
  }
}

static void argmax_block(const float* top, const float* step, float weight, int classes,
                         uint8_t* winners, uint8_t* confidence) {
  for (int x = 0; x < BLOCK; x += STRIP) {
    const auto value = [=](int c, int k) {
      const int at = c * BLOCK + x + k * LANES;
      return load_floats(top + at) + all<Floats>(weight) * load_floats(step + at);
    };
    Leader leader;
    leader.run(classes, value);
    leader.store(winners + x);
    if (confidence) store_confidence(leader, classes, value, confidence + x);
  }
}

}  // namespace roadseg
