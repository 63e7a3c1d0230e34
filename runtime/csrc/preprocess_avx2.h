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

static inline __m256i load32(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

static inline void store16(void* to, __m128i bytes) {
  _mm_storeu_si128(static_cast<__m128i*>(to), bytes);
}

// Three planes of 32 bytes to 32 packed RGB pixels (96 bytes). Lanes of 16 bytes do not mix.
static inline void store_rgb32(__m256i r, __m256i g, __m256i b, uint8_t* rgb) {
  const auto both = _mm256_broadcastsi128_si256;
  // Each plane is rotated into the order in which its bytes appear in the three output registers:
  // bytes 0, 3, 6, … of the output are r[0], r[1], r[2], … and 48 bytes are 16 of each.
  r = _mm256_shuffle_epi8(
      r, both(_mm_setr_epi8(0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5)));
  g = _mm256_shuffle_epi8(
      g, both(_mm_setr_epi8(5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10)));
  b = _mm256_shuffle_epi8(
      b, both(_mm_setr_epi8(10, 5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15)));
  const __m256i from_0 = both(_mm_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1));
  const __m256i from_1 = both(_mm_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0));
  const __m256i from_2 = both(_mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0));
  const auto store = [rgb](int at, __m256i first, __m256i second, __m256i third, __m256i at_second,
                           __m256i at_third) {
    const __m256i picked =
        _mm256_blendv_epi8(_mm256_blendv_epi8(first, second, at_second), third, at_third);
    store16(rgb + at, _mm256_castsi256_si128(picked));
    store16(rgb + at + 48, _mm256_extracti128_si256(picked, 1));
  };
  store(0, r, g, b, from_1, from_2);
  store(16, r, g, b, from_0, from_1);
  store(32, r, g, b, from_2, from_0);
}

static inline __m256i centred(__m256i chroma) {
  return _mm256_slli_epi16(_mm256_sub_epi16(chroma, _mm256_set1_epi16(128)), PIXEL_SHIFT);
}

static inline __m256i times(__m256i values, int16_t factor) {
  return _mm256_mulhrs_epi16(values, _mm256_set1_epi16(factor));
}

static inline __m256i luma_q5(__m256i y) {
  const __m256i above_black = _mm256_subs_epu16(y, _mm256_set1_epi16(16));
  return times(_mm256_slli_epi16(above_black, PIXEL_SHIFT), bt601::LUMA);
}

// yuv_to_rgb of 32 pixels. Words: y of pixels 0–7 and 16–23 (low), 8–15 and 24–31 (high); u and v of
// the 16 pairs in order. What a pair's chroma adds is computed once, rounding included.
static inline void yuv32_to_rgb(__m256i y_low, __m256i y_high, __m256i u, __m256i v,
                                uint8_t* rgb) {
  const __m256i half = _mm256_set1_epi16(1 << (bt601::SHIFT - 1));
  const __m256i low = _mm256_add_epi16(luma_q5(y_low), half);
  const __m256i high = _mm256_add_epi16(luma_q5(y_high), half);
  u = centred(u);
  v = centred(v);
  const auto to_bytes = [low, high](__m256i pairs) {
    const __m256i first = _mm256_add_epi16(low, _mm256_unpacklo_epi16(pairs, pairs));
    const __m256i second = _mm256_add_epi16(high, _mm256_unpackhi_epi16(pairs, pairs));
    return _mm256_packus_epi16(_mm256_srai_epi16(first, bt601::SHIFT),
                               _mm256_srai_epi16(second, bt601::SHIFT));
  };
  const __m256i green = _mm256_add_epi16(times(u, bt601::GREEN_U), times(v, bt601::GREEN_V));
  store_rgb32(to_bytes(times(v, bt601::RED_V)), to_bytes(green), to_bytes(times(u, bt601::BLUE_U)),
              rgb);
}

static inline __m256i low_bytes(__m256i words) {
  return _mm256_and_si256(words, _mm256_set1_epi16(255));
}

static inline __m256i high_bytes(__m256i words) { return _mm256_srli_epi16(words, 8); }

// yuv32_to_rgb with luma as 32 bytes.
static inline void luma32_to_rgb(const uint8_t* luma, __m256i u, __m256i v, uint8_t* rgb) {
  const __m256i y = load32(luma), zero = _mm256_setzero_si256();
  yuv32_to_rgb(_mm256_unpacklo_epi8(y, zero), _mm256_unpackhi_epi8(y, zero), u, v, rgb);
}

template <int U, int V>
static inline int semiplanar_to_rgb(const uint8_t* luma, const uint8_t* chroma, int width,
                                    uint8_t* rgb) {
  int x = 0;
  for (; x + 32 <= width; x += 32) {
    const __m256i pairs = load32(chroma + x);
    const __m256i first = low_bytes(pairs), second = high_bytes(pairs);
    luma32_to_rgb(luma + x, U ? second : first, V ? second : first, rgb + 3 * x);
  }
  return x;
}

static inline int yu12_to_rgb(const uint8_t* luma, const uint8_t* u, const uint8_t* v, int width,
                              uint8_t* rgb) {
  int x = 0;
  for (; x + 32 <= width; x += 32) {
    luma32_to_rgb(luma + x, _mm256_cvtepu8_epi16(load16(u + x / 2)),
                  _mm256_cvtepu8_epi16(load16(v + x / 2)), rgb + 3 * x);
  }
  return x;
}

template <int Y, int U, int V>
static inline int packed_to_rgb(const uint8_t* row, int width, uint8_t* rgb) {
  int x = 0;
  for (; x + 32 <= width; x += 32) {
    const __m256i a = load32(row + 2 * x), b = load32(row + 2 * x + 32);  // 16 pixels each
    const auto luma = [](__m256i words) { return Y ? high_bytes(words) : low_bytes(words); };
    const auto chroma = [](__m256i words) { return Y ? low_bytes(words) : high_bytes(words); };
    // Words of U and V in turn; as 32 bits U is the lower half, V the upper.
    const __m256i ca = chroma(a), cb = chroma(b);
    const __m256i lower = _mm256_set1_epi32(0xffff);
    const auto joined = [](__m256i from_a, __m256i from_b) {
      return _mm256_permute4x64_epi64(_mm256_packus_epi32(from_a, from_b), 0xd8);
    };
    const __m256i first = joined(_mm256_and_si256(ca, lower), _mm256_and_si256(cb, lower));
    const __m256i second = joined(_mm256_srli_epi32(ca, 16), _mm256_srli_epi32(cb, 16));
    yuv32_to_rgb(_mm256_permute2x128_si256(luma(a), luma(b), 0x20),
                 _mm256_permute2x128_si256(luma(a), luma(b), 0x31), U < V ? first : second,
                 U < V ? second : first, rgb + 3 * x);
  }
  return x;
}

static inline int grey_to_rgb(const uint8_t* grey, int width, uint8_t* rgb) {
  int x = 0;
  for (; x + 32 <= width; x += 32) {
    const __m256i pixels = load32(grey + x);
    store_rgb32(pixels, pixels, pixels, rgb + 3 * x);
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
