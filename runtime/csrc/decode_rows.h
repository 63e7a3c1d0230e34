// Inner loops of decode, in the compiler's vector types: one source for every vector length.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

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

template <class Vector>
static inline Vector load(const void* from) {
  Vector values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

template <class Vector>
static inline void store(Vector values, void* to) {
  std::memcpy(to, &values, sizeof values);
}

static inline Floats load_floats(const float* from) { return load<Floats>(from); }

// The lowest byte of each lane.
template <int N>
static inline void store_bytes(const Ints (&values)[N], uint8_t* to) {
#ifdef __AVX512F__
  for (int k = 0; k < N; ++k) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + k * LANES),
                     _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(values[k])));
  }
#else
  alignas(64) int32_t lanes[N * LANES];
  std::memcpy(lanes, values, sizeof lanes);
  for (int i = 0; i < N * LANES; ++i) to[i] = static_cast<uint8_t>(lanes[i]);
#endif
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
};

// One instruction each, which compilers do not find in a > b ? a : b, because of NaN and -0.
#if defined(__AVX512F__)
static inline Floats larger_of(Floats a, Floats b) { return _mm512_max_ps(a, b); }
static inline Floats smaller_of(Floats a, Floats b) { return _mm512_min_ps(a, b); }
#elif defined(__AVX2__)
static inline Floats larger_of(Floats a, Floats b) { return _mm256_max_ps(a, b); }
static inline Floats smaller_of(Floats a, Floats b) { return _mm256_min_ps(a, b); }
#else
static inline Floats larger_of(Floats a, Floats b) { return a > b ? a : b; }
static inline Floats smaller_of(Floats a, Floats b) { return a < b ? a : b; }
#endif

static void argmax_row(LogitRow row, int width, RowWinners& out) {
  Floats highest = load_floats(row.values), lowest = highest;
  for (int x = 0; x < width; x += LANES) {
    Floats best = load_floats(row.values + x);
    Floats second = all<Floats>(-std::numeric_limits<float>::infinity());
    Ints id = Ints{};
    lowest = smaller_of(lowest, best);
    for (int c = 1; c < row.classes; ++c) {
      const Floats candidate = load_floats(row.values + c * row.class_stride + x);
      const Ints larger = candidate > best;
      lowest = smaller_of(lowest, candidate);
      second = larger_of(second, smaller_of(best, candidate));
      best = larger ? candidate : best;
      id = larger ? Ints{} + c : id;
    }
    highest = larger_of(highest, best);
    store(best - second, out.margins + x);
    store(id, out.ids + x);
  }
  const Floats peaks = larger_of(highest, -lowest);
  out.peak = 0;
  for (int i = 0; i < LANES; ++i) out.peak = std::max(out.peak, peaks[i]);
}

// A class that leads at all four corners leads between them. What is computed there is off by
// 20 roundings of the largest logit at most, so both classes by 40 * 2^-24; 2^-18 is more.
static void common_row(const RowWinners& top, const RowWinners& bottom, int width, uint8_t* ids) {
  const Floats least = all<Floats>(std::max(top.peak, bottom.peak) * 0x1p-18f);
  for (int x = 0; x < width; x += LANES) {
    const Ints winner = load<Ints>(top.ids + x);
    const Ints sure = (winner == load<Ints>(bottom.ids + x)) &
                      (load_floats(top.margins + x) > least) &
                      (load_floats(bottom.margins + x) > least);
    const Ints common[] = {sure ? winner : Ints{} + MIXED};
    store_bytes(common, ids + x);
  }
}

#if defined(__AVX512F__)
// LANES columns come from two windows, one after the other.
static inline Floats load_windows(const float* row, const int32_t* base) {
  const __m512d low = _mm512_castpd256_pd512(load<__m256d>(row + base[0]));
  return _mm512_castpd_ps(_mm512_insertf64x4(low, load<__m256d>(row + base[1]), 1));
}

static inline Ints load_order(const int32_t* from) {
  const Ints second = {0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8};
  return load<Ints>(from) + second;
}

static inline Floats permuted(Floats windows, Ints order) {
  return _mm512_permutexvar_ps(reinterpret_cast<__m512i>(order), windows);
}
#elif defined(__AVX2__)
static inline Floats load_windows(const float* row, const int32_t* base) {
  return load_floats(row + base[0]);
}

static inline Ints load_order(const int32_t* from) { return load<Ints>(from); }

static inline Floats permuted(Floats windows, Ints order) {
  return _mm256_permutevar8x32_ps(windows, reinterpret_cast<__m256i>(order));
}
#endif

#ifdef __AVX2__
static void widen_narrow(LogitRow top_row, LogitRow bottom_row, Columns columns, float* top,
                         float* step) {
  for (int x = 0; x < BLOCK; x += LANES) {
    const int32_t* base = columns.base + x / WINDOW;
    const Ints left = load_order(columns.left + x);
    const Ints right = load_order(columns.right + x);
    const Floats weight = load_floats(columns.weight + x);
    for (int c = 0; c < top_row.classes; ++c) {
      const Floats upper = load_windows(top_row.values + c * top_row.class_stride, base);
      const Floats lower = load_windows(bottom_row.values + c * bottom_row.class_stride, base);
      const Floats down = lower - upper;
      store(lerp(permuted(upper, left), permuted(upper, right), weight), top + c * BLOCK + x);
      store(lerp(permuted(down, left), permuted(down, right), weight), step + c * BLOCK + x);
    }
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
#ifdef __AVX2__
  if (columns.narrow) return widen_narrow(top_row, bottom_row, columns, top, step);
#endif
  for (int c = 0; c < top_row.classes; ++c) {
    widen_any(top_row.values + c * top_row.class_stride,
              bottom_row.values + c * bottom_row.class_stride, columns, top + c * BLOCK,
              step + c * BLOCK);
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
    store_bytes(leader.id, winners + x);
    if (confidence) store_confidence(leader, classes, value, confidence + x);
  }
}

}  // namespace roadseg
