// The arithmetic of single pixels, shared by every build of the kernels (each CPU level, CUDA).
//
// All of it is exact integer arithmetic, so all builds give the same bytes.
#pragma once

#include "portable.h"

namespace roadseg {

// Blended pixels carry 7 fraction bits: 255 << 7 and every difference still fit int16.
constexpr int PIXEL_SHIFT = 7;

// a * b with b in Q15, rounded: what pmulhrsw computes, in a form that compilers recognise.
ROADSEG_INLINE int16_t multiply_q15(int16_t a, int16_t b) {
  return static_cast<int16_t>((((static_cast<int32_t>(a) * b) >> 14) + 1) >> 1);
}

// From a (weight 0) towards b (weight just under 1 in Q15).
ROADSEG_INLINE int16_t lerp_q15(int16_t a, int16_t b, int16_t weight) {
  return static_cast<int16_t>(a + multiply_q15(static_cast<int16_t>(b - a), weight));
}

ROADSEG_INLINE int16_t lerp_pixels(uint8_t a, uint8_t b, int16_t weight) {
  return lerp_q15(static_cast<int16_t>(a << PIXEL_SHIFT), static_cast<int16_t>(b << PIXEL_SHIFT),
                  weight);
}

ROADSEG_INLINE uint8_t round_pixel(int16_t value) {
  return static_cast<uint8_t>((value + (1 << (PIXEL_SHIFT - 1))) >> PIXEL_SHIFT);
}

// BT.601, limited range (luma 16..235), in Q13; sums are in Q5.
namespace bt601 {
constexpr int16_t LUMA = 9539;        // 1.164383
constexpr int16_t RED_V = 13075;      // 1.596027
constexpr int16_t GREEN_U = -3209;    // -0.391762
constexpr int16_t GREEN_V = -6660;    // -0.812968
constexpr int16_t BLUE_U = 16525;     // 2.017232
constexpr int SHIFT = 5;
}  // namespace bt601

ROADSEG_INLINE uint8_t clamp_q5(int sum) {
  const int value = (sum + (1 << (bt601::SHIFT - 1))) >> bt601::SHIFT;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// Luma below black counts as black, as in OpenCV.
ROADSEG_INLINE int16_t luma_q5(uint8_t y) {
  return multiply_q15(static_cast<int16_t>((y > 16 ? y - 16 : 0) << PIXEL_SHIFT), bt601::LUMA);
}

// What the chroma of a pair of pixels adds to their luma.
struct Chroma {
  int16_t red, green, blue;
};

ROADSEG_INLINE Chroma chroma_q5(uint8_t u, uint8_t v) {
  const auto u_centred = static_cast<int16_t>((u - 128) * (1 << PIXEL_SHIFT));
  const auto v_centred = static_cast<int16_t>((v - 128) * (1 << PIXEL_SHIFT));
  return {multiply_q15(v_centred, bt601::RED_V),
          static_cast<int16_t>(multiply_q15(u_centred, bt601::GREEN_U) +
                               multiply_q15(v_centred, bt601::GREEN_V)),
          multiply_q15(u_centred, bt601::BLUE_U)};
}

ROADSEG_INLINE void yuv_to_rgb(uint8_t y, Chroma chroma, uint8_t* rgb) {
  const int luma = luma_q5(y);
  rgb[0] = clamp_q5(luma + chroma.red);
  rgb[1] = clamp_q5(luma + chroma.green);
  rgb[2] = clamp_q5(luma + chroma.blue);
}

// alpha: 0 (the pixel) to 256 (the colour). Sums fit 16 bits, which says so to the vectoriser.
ROADSEG_INLINE uint8_t blend(uint8_t pixel, uint8_t colour, uint16_t alpha) {
  const auto kept = static_cast<uint16_t>(pixel * static_cast<uint16_t>(256 - alpha));
  const auto added = static_cast<uint16_t>(colour * alpha + 128);
  return static_cast<uint8_t>(static_cast<uint16_t>(kept + added) >> 8);
}

}  // namespace roadseg
