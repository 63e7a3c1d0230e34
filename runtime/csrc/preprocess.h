// A frame of any pixel format to resized RGB, one output row at a time.
#pragma once

#include "views.h"

namespace roadseg {

// out: (height, width, 3), contiguous. NV12 needs even sizes, YUYV an even width.
void preprocess(const Picture& picture, uint8_t* out, int width, int height);

}  // namespace roadseg
