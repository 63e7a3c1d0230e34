// A frame of any pixel format to resized RGB, one output row at a time.
#pragma once

#include <cstdint>

namespace roadseg {

enum class Format { RGB, BGR, NV12, YUYV };

// rows: distance between rows in bytes, negative for a frame that is stored bottom up.
struct Picture {
  const uint8_t* pixels;
  int64_t row_stride;
  int width;
  int height;
  Format format;
};

// out: (height, width, 3), contiguous. NV12 needs even sizes, YUYV an even width.
void preprocess(const Picture& picture, uint8_t* out, int width, int height);

}  // namespace roadseg
