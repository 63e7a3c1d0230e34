// What the kernels read and write, on the CPU and on the GPU. None of it owns its memory.
#pragma once

#include "portable.h"

namespace roadseg {

enum class Format { RGB, BGR, NV12, YUYV };

// row_stride: distance between rows in bytes, negative for a frame that is stored bottom up.
struct Picture {
  const uint8_t* pixels;
  int64_t row_stride;
  int width;
  int height;
  Format format;
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
