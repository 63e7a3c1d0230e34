// Inner loops of preprocess. AVX2 takes what it can of a row, the plain loop the rest.
#pragma once

#include "pixel_math.h"
#include "preprocess_avx2.h"

namespace roadseg {

static void pair_to_rgb(uint8_t left, uint8_t right, uint8_t u, uint8_t v, uint8_t* rgb) {
  const Chroma shared = chroma_q5(u, v);
  yuv_to_rgb(left, shared, rgb);
  yuv_to_rgb(right, shared, rgb + 3);
}

// NV12 and NV21: U and V are where of each two bytes of chroma they are.
template <int U, int V>
static void semiplanar_to_rgb(const uint8_t* luma, const uint8_t* chroma, int width,
                              uint8_t* rgb) {
  for (int x = avx2::semiplanar_to_rgb<U, V>(luma, chroma, width, rgb); x < width; x += 2) {
    pair_to_rgb(luma[x], luma[x + 1], chroma[x + U], chroma[x + V], rgb + 3 * x);
  }
}

static void yu12_to_rgb(const uint8_t* luma, const uint8_t* u, const uint8_t* v, int width,
                        uint8_t* rgb) {
  for (int x = avx2::yu12_to_rgb(luma, u, v, width, rgb); x < width; x += 2) {
    pair_to_rgb(luma[x], luma[x + 1], u[x / 2], v[x / 2], rgb + 3 * x);
  }
}

// YUYV and UYVY: where of the four bytes of two pixels the first luma, U and V are.
template <int Y, int U, int V>
static void packed_to_rgb(const uint8_t* row, int width, uint8_t* rgb) {
  for (int x = avx2::packed_to_rgb<Y, U, V>(row, width, rgb); x < width; x += 2) {
    const uint8_t* pair = row + 2 * x;
    pair_to_rgb(pair[Y], pair[Y + 2], pair[U], pair[V], rgb + 3 * x);
  }
}

static void bgr_to_rgb(const uint8_t* bgr, int width, uint8_t* rgb) {
  for (int x = avx2::bgr_to_rgb(bgr, width, rgb); x < width; ++x) {
    rgb[3 * x] = bgr[3 * x + 2];
    rgb[3 * x + 1] = bgr[3 * x + 1];
    rgb[3 * x + 2] = bgr[3 * x];
  }
}

static void grey_to_rgb(const uint8_t* grey, int width, uint8_t* rgb) {
  for (int x = avx2::grey_to_rgb(grey, width, rgb); x < width; ++x) {
    rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = grey[x];
  }
}

static void blend_rows(const uint8_t* __restrict top, const uint8_t* __restrict bottom,
                       int16_t weight, int n, int16_t* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = lerp_pixels(top[i], bottom[i], weight);
}

static void resample_row(const int16_t* row, const int32_t* offset,
                         const int16_t* weight, int width, uint8_t* rgb) {
  for (int x = avx2::resample_row(row, offset, weight, width, rgb); x < width; ++x) {
    const int16_t* pixel = row + offset[x];
    for (int channel = 0; channel < 3; ++channel) {
      rgb[3 * x + channel] =
          round_pixel(lerp_q15(pixel[channel], pixel[channel + 3], weight[x]));
    }
  }
}

}  // namespace roadseg
