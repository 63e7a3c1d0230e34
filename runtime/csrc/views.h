// What the kernels read and write, on the CPU and on the GPU. None of it owns its memory.
#pragma once

#include "portable.h"

namespace roadseg {

enum class Format { RGB, BGR, NV12, YUYV, NV21, YU12, UYVY, GREY };

// row_stride: distance between rows in bytes, negative for a frame that is stored bottom up.
struct Picture {
  const uint8_t* pixels;
  int64_t row_stride;
  int width;
  int height;
  Format format;
  // Of NV12, NV21 and YU12 (U, then V), where chroma is not below the luma with the same stride:
  // YU12 has two of its rows in one. The kernels on the CPU need it.
  const uint8_t* chroma = nullptr;
  int64_t chroma_stride = 0;
};

// (classes, height, width), contiguous; 2 to MAX_CLASSES classes.
struct Logits {
  const float* values;
  int classes;
  int height;
  int width;
};

struct Plane {
  uint8_t* pixels;  // null: not wanted
  int64_t row_stride;
};

}  // namespace roadseg
