// A frame of any pixel format to resized RGB, one output row at a time.
#pragma once

#include "views.h"

namespace roadseg {

// out: (height, width, 3), contiguous. NV12, NV21 and YU12 need even sizes, YUYV and UYVY an even
// width; those with luma and chroma in planes need the picture's chroma.
void preprocess(const Picture& picture, uint8_t* out, int width, int height);

}  // namespace roadseg
