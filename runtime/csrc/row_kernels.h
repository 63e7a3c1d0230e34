// The inner loops, one table of them for each CPU level; all tables give the same results.
#pragma once

#include <cstdint>

namespace roadseg {

// Decoding works on this many columns at a time: their logits of all classes stay in the L1 cache.
constexpr int BLOCK = 32;
// Columns whose source logits lie in one window of as many, so that a permutation can gather them.
constexpr int WINDOW = 8;
constexpr int MAX_CLASSES = 32;

// Where a block's columns come from: source column of column x is base[x / WINDOW] + left[x] (or
// right[x]). `narrow`: all left and right are below WINDOW. Rows have at least WINDOW values.
struct Columns {
  const int32_t* base;
  const int32_t* left;
  const int32_t* right;
  const float* weight;
  bool narrow;
};

// One row of the logits of all classes.
struct LogitRow {
  const float* values;  // class 0
  int64_t class_stride;
  int classes;
};

// The class with the largest logit of each column of a row, the first of equals; by how much it
// leads; and the largest magnitude of all logits of the row.
struct RowWinners {
  int32_t* ids;
  float* margins;
  float peak;
};

// Where no class is known to win.
constexpr uint8_t MIXED = 255;

struct RowKernels {
  const char* name;

  // Preprocess. A row of source pixels to RGB; width is even where pixels share chroma.
  void (*nv12_to_rgb)(const uint8_t* luma, const uint8_t* chroma, int width, uint8_t* rgb);
  void (*nv21_to_rgb)(const uint8_t* luma, const uint8_t* chroma, int width, uint8_t* rgb);
  void (*yu12_to_rgb)(const uint8_t* luma, const uint8_t* u, const uint8_t* v, int width,
                      uint8_t* rgb);
  void (*yuyv_to_rgb)(const uint8_t* yuyv, int width, uint8_t* rgb);
  void (*uyvy_to_rgb)(const uint8_t* uyvy, int width, uint8_t* rgb);
  void (*bgr_to_rgb)(const uint8_t* bgr, int width, uint8_t* rgb);
  void (*grey_to_rgb)(const uint8_t* grey, int width, uint8_t* rgb);
  // Two rows of n bytes to one with PIXEL_SHIFT fraction bits.
  void (*blend_rows)(const uint8_t* top, const uint8_t* bottom, int16_t weight, int n,
                     int16_t* out);
  // A blended RGB row to `width` pixels, each between those at its offset and the next one.
  // Reads up to ROW_PADDING values past the row.
  void (*resample_row)(const int16_t* row, const int32_t* offset, const int16_t* weight, int width,
                       uint8_t* rgb);

  // Decode. Fills the winners of a row, up to the BLOCK in which `width` ends.
  void (*argmax_row)(LogitRow row, int width, RowWinners& out);
  // The class that wins between two rows whatever the weights and the rounding, or MIXED.
  void (*common_row)(const RowWinners& top, const RowWinners& bottom, int width, uint8_t* ids);
  // BLOCK columns of two rows, resized horizontally: top and step (bottom - top), class by class.
  void (*widen_block)(LogitRow top_row, LogitRow bottom_row, Columns columns, float* top,
                      float* step);
  // Argmax of top + weight * step; confidence is 255 * softmax, or not wanted when null.
  void (*argmax_block)(const float* top, const float* step, float weight, int classes,
                       uint8_t* winners, uint8_t* confidence);

  // Overlay. Palette: 256 entries of four bytes; alpha 0..256; id 255 leaves the pixel alone.
  void (*overlay_row)(const uint8_t* pixels, const uint8_t* mask, const uint8_t* palette,
                      uint16_t alpha, int width, uint8_t* out);
};

constexpr int ROW_PADDING = 8;

extern const RowKernels baseline_kernels;
#ifdef ROADSEG_X86
extern const RowKernels avx2_kernels;
extern const RowKernels avx512_kernels;
#endif

}  // namespace roadseg
