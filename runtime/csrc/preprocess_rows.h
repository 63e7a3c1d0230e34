// Inner loops of preprocess. AVX2 takes what it can of a row, the plain loop the rest.
#pragma once

#include "pixel_math.h"
#include "preprocess_avx2.h"

namespace roadseg {

static void nv12_to_rgb(const uint8_t* luma, const uint8_t* chroma, int width, uint8_t* rgb) {
  for (int x = avx2::nv12_to_rgb(luma, chroma, width, rgb); x < width; x += 2) {
    const Chroma shared = chroma_q5(chroma[x], chroma[x + 1]);
    yuv_to_rgb(luma[x], shared, rgb + 3 * x);
    yuv_to_rgb(luma[x + 1], shared, rgb + 3 * x + 3);
  }
}

static void yuyv_to_rgb(const uint8_t* yuyv, int width, uint8_t* rgb) {
  for (int x = avx2::yuyv_to_rgb(yuyv, width, rgb); x < width; x += 2) {
    const uint8_t* pair = yuyv + 2 * x;
    const Chroma shared = chroma_q5(pair[1], pair[3]);
    yuv_to_rgb(pair[0], shared, rgb + 3 * x);
    yuv_to_rgb(pair[2], shared, rgb + 3 * x + 3);
  }
}

static void bgr_to_rgb(const uint8_t* bgr, int width, uint8_t* rgb) {
  for (int x = avx2::bgr_to_rgb(bgr, width, rgb); x < width; ++x) {
    rgb[3 * x] = bgr[3 * x + 2];
    rgb[3 * x + 1] = bgr[3 * x + 1];
    rgb[3 * x + 2] = bgr[3 * x];
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
