// The loops of preprocess that no compiler vectorises, because they interleave three channels.
//
// Each function does the first pixels of a row, as many as it can without touching bytes outside,
// with the arithmetic of pixel_math.h, and returns how many. Without AVX2 that is none.
#pragma once

#include <cstdint>

#include "pixel_math.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace roadseg::avx2 {

#ifdef __AVX2__

static inline __m128i load16(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

static inline void store16(void* to, __m128i bytes) {
  _mm_storeu_si128(static_cast<__m128i*>(to), bytes);
}

// Three planes of 16 bytes to 16 packed RGB pixels (48 bytes).
static inline void store_rgb16(__m128i r, __m128i g, __m128i b, uint8_t* rgb) {
  // Each plane is rotated into the order in which its bytes appear in the three output registers:
  // bytes 0, 3, 6, … of the output are r[0], r[1], r[2], … and 48 bytes are 16 of each.
  const __m128i r_order = _mm_setr_epi8(0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5);
  const __m128i g_order = _mm_setr_epi8(5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10);
  const __m128i b_order = _mm_setr_epi8(10, 5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15);
  r = _mm_shuffle_epi8(r, r_order);
  g = _mm_shuffle_epi8(g, g_order);
  b = _mm_shuffle_epi8(b, b_order);
  const __m128i from_0 = _mm_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1);
  const __m128i from_1 = _mm_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0);
  const __m128i from_2 = _mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0);
  const auto pick = [](__m128i a, __m128i b_, __m128i c, __m128i at_b, __m128i at_c) {
    return _mm_blendv_epi8(_mm_blendv_epi8(a, b_, at_b), c, at_c);
  };
  store16(rgb, pick(r, g, b, from_1, from_2));
  store16(rgb + 16, pick(r, g, b, from_0, from_1));
  store16(rgb + 32, pick(r, g, b, from_2, from_0));
}

static inline __m128i to_bytes(__m256i q5) {
  const __m256i half = _mm256_set1_epi16(1 << (bt601::SHIFT - 1));
  const __m256i words = _mm256_srai_epi16(_mm256_add_epi16(q5, half), bt601::SHIFT);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static inline __m256i centred(__m128i chroma) {
  const __m256i words = _mm256_sub_epi16(_mm256_cvtepu8_epi16(chroma), _mm256_set1_epi16(128));
  return _mm256_slli_epi16(words, PIXEL_SHIFT);
}

static inline __m256i times(__m256i values, int16_t factor) {
  return _mm256_mulhrs_epi16(values, _mm256_set1_epi16(factor));
}

// yuv_to_rgb of 16 pixels, each with its own u and v.
static inline void yuv16_to_rgb(__m128i y, __m128i u, __m128i v, uint8_t* rgb) {
  const __m128i above_black = _mm_subs_epu8(y, _mm_set1_epi8(16));
  const __m256i luma =
      times(_mm256_slli_epi16(_mm256_cvtepu8_epi16(above_black), PIXEL_SHIFT), bt601::LUMA);
  const __m256i u16 = centred(u);
  const __m256i v16 = centred(v);
  const __m256i r = _mm256_add_epi16(luma, times(v16, bt601::RED_V));
  const __m256i g = _mm256_add_epi16(_mm256_add_epi16(luma, times(u16, bt601::GREEN_U)),
                                     times(v16, bt601::GREEN_V));
  const __m256i b = _mm256_add_epi16(luma, times(u16, bt601::BLUE_U));
  store_rgb16(to_bytes(r), to_bytes(g), to_bytes(b), rgb);
}

// The byte at `first` of each two, for both pixels that share it.
static inline __m128i twice(__m128i pairs, int first) {
  const __m128i even = _mm_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
  return _mm_shuffle_epi8(pairs, _mm_add_epi8(even, _mm_set1_epi8(static_cast<char>(first))));
}

template <int U, int V>
static inline int semiplanar_to_rgb(const uint8_t* luma, const uint8_t* chroma, int width,
                                    uint8_t* rgb) {
  int x = 0;
  for (; x + 16 <= width; x += 16) {
    const __m128i pairs = load16(chroma + x);
    yuv16_to_rgb(load16(luma + x), twice(pairs, U), twice(pairs, V), rgb + 3 * x);
  }
  return x;
}

static inline int yu12_to_rgb(const uint8_t* luma, const uint8_t* u, const uint8_t* v, int width,
                              uint8_t* rgb) {
  const auto load_twice = [](const uint8_t* from) {
    const __m128i half = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return _mm_unpacklo_epi8(half, half);
  };
  int x = 0;
  for (; x + 16 <= width; x += 16) {
    yuv16_to_rgb(load16(luma + x), load_twice(u + x / 2), load_twice(v + x / 2), rgb + 3 * x);
  }
  return x;
}

template <int Y, int U, int V>
static inline int packed_to_rgb(const uint8_t* row, int width, uint8_t* rgb) {
  const auto shifted = [](__m128i order, int by) {  // what is negative stays so
    return _mm_add_epi8(order, _mm_set1_epi8(static_cast<char>(by)));
  };
  const __m128i luma = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, -9, -9, -9, -9, -9, -9, -9, -9);
  const __m128i shared = _mm_setr_epi8(0, 0, 4, 4, 8, 8, 12, 12, -9, -9, -9, -9, -9, -9, -9, -9);
  int x = 0;
  for (; x + 16 <= width; x += 16) {
    const __m128i low = load16(row + 2 * x);
    const __m128i high = load16(row + 2 * x + 16);
    const auto gather = [&](__m128i order) {
      return _mm_unpacklo_epi64(_mm_shuffle_epi8(low, order), _mm_shuffle_epi8(high, order));
    };
    yuv16_to_rgb(gather(shifted(luma, Y)), gather(shifted(shared, U)), gather(shifted(shared, V)),
                 rgb + 3 * x);
  }
  return x;
}

static inline int grey_to_rgb(const uint8_t* grey, int width, uint8_t* rgb) {
  int x = 0;
  for (; x + 16 <= width; x += 16) {
    const __m128i pixels = load16(grey + x);
    store_rgb16(pixels, pixels, pixels, rgb + 3 * x);
  }
  return x;
}

// Five pixels at a time; the sixteenth byte is garbage that the next store overwrites.
static inline int bgr_to_rgb(const uint8_t* bgr, int width, uint8_t* rgb) {
  const __m128i order = _mm_setr_epi8(2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, 15);
  int x = 0;
  for (; x + 6 <= width; x += 5) {
    store16(rgb + 3 * x, _mm_shuffle_epi8(load16(bgr + 3 * x), order));
  }
  return x;
}

// Two neighbouring source pixels of each of output pixels x, x + 1, x + 2 and x + 3, blended.
static inline __m256i resample4(const int16_t* row, const int32_t* offset, const int16_t* weight) {
  const auto pair = [&](int i) { return load16(row + offset[i]); };
  const __m256i even = _mm256_inserti128_si256(_mm256_castsi128_si256(pair(0)), pair(2), 1);
  const __m256i odd = _mm256_inserti128_si256(_mm256_castsi128_si256(pair(1)), pair(3), 1);
  // A pixel is three words, so its right neighbour starts six bytes on; the fourth word is garbage.
  const __m256i left = _mm256_unpacklo_epi64(even, odd);
  const __m256i right =
      _mm256_unpacklo_epi64(_mm256_srli_si256(even, 6), _mm256_srli_si256(odd, 6));
  const __m256i weights = _mm256_shuffle_epi8(
      _mm256_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(weight))),
      _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3,  //
                       4, 5, 4, 5, 4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7));
  const __m256i mixed =
      _mm256_add_epi16(left, _mm256_mulhrs_epi16(_mm256_sub_epi16(right, left), weights));
  const __m256i half = _mm256_set1_epi16(1 << (PIXEL_SHIFT - 1));
  return _mm256_srai_epi16(_mm256_add_epi16(mixed, half), PIXEL_SHIFT);
}

// Eight pixels at a time; the four bytes after them are garbage that the next store overwrites.
static inline int resample_row(const int16_t* row, const int32_t* offset, const int16_t* weight,
                               int width, uint8_t* rgb) {
  const __m256i pixel_order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
  const __m256i drop_fourth = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  int x = 0;
  for (; x + 10 <= width; x += 8) {
    const __m256i bytes = _mm256_packus_epi16(resample4(row, offset + x, weight + x),
                                              resample4(row, offset + x + 4, weight + x + 4));
    const __m256i pixels =
        _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(bytes, pixel_order), drop_fourth);
    store16(rgb + 3 * x, _mm256_castsi256_si128(pixels));
    store16(rgb + 3 * x + 12, _mm256_extracti128_si256(pixels, 1));
  }
  return x;
}

#else

template <int U, int V>
static inline int semiplanar_to_rgb(const uint8_t*, const uint8_t*, int, uint8_t*) {
  return 0;
}
template <int Y, int U, int V>
static inline int packed_to_rgb(const uint8_t*, int, uint8_t*) {
  return 0;
}
static inline int yu12_to_rgb(const uint8_t*, const uint8_t*, const uint8_t*, int, uint8_t*) {
  return 0;
}
static inline int grey_to_rgb(const uint8_t*, int, uint8_t*) { return 0; }
static inline int bgr_to_rgb(const uint8_t*, int, uint8_t*) { return 0; }
static inline int resample_row(const int16_t*, const int32_t*, const int16_t*, int, uint8_t*) {
  return 0;
}

#endif

}  // namespace roadseg::avx2
