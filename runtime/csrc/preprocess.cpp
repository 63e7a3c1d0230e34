#include "preprocess.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "axis.h"
#include "isa.h"

namespace roadseg {

namespace {

void convert_row(const RowKernels& rows, const Picture& picture, int y, uint8_t* rgb) {
  const uint8_t* row = picture.pixels + y * picture.row_stride;
  const uint8_t* chroma = picture.chroma + (y / 2) * picture.chroma_stride;
  switch (picture.format) {
    case Format::RGB:
      std::memcpy(rgb, row, 3 * static_cast<size_t>(picture.width));
      return;
    case Format::BGR:
      return rows.bgr_to_rgb(row, picture.width, rgb);
    case Format::NV12:
      return rows.nv12_to_rgb(row, chroma, picture.width, rgb);
    case Format::NV21:
      return rows.nv21_to_rgb(row, chroma, picture.width, rgb);
    case Format::YU12:
      return rows.yu12_to_rgb(row, chroma,
                              chroma + (picture.height / 2) * picture.chroma_stride,
                              picture.width, rgb);
    case Format::YUYV:
      return rows.yuyv_to_rgb(row, picture.width, rgb);
    case Format::UYVY:
      return rows.uyvy_to_rgb(row, picture.width, rgb);
    case Format::GREY:
      return rows.grey_to_rgb(row, picture.width, rgb);
  }
}

// The last two source rows as RGB: an output row needs two neighbours, and shares one or both
// with the output row before.
class RgbRows {
 public:
  void start(const RowKernels& rows, const Picture& picture) {
    rows_ = &rows;
    picture_ = &picture;
    held_[0] = held_[1] = -1;
    for (auto& buffer : buffers_) buffer.resize(3 * static_cast<size_t>(picture.width));
  }

  // Valid until a row of the same parity is asked for.
  const uint8_t* row(int y) {
    if (picture_->format == Format::RGB) return picture_->pixels + y * picture_->row_stride;
    uint8_t* buffer = buffers_[y % 2].data();
    if (held_[y % 2] != y) convert_row(*rows_, *picture_, y, buffer);
    held_[y % 2] = y;
    return buffer;
  }

 private:
  const RowKernels* rows_ = nullptr;
  const Picture* picture_ = nullptr;
  int held_[2] = {-1, -1};
  std::vector<uint8_t> buffers_[2];
};

// Row buffers and tables, kept by each thread for its next frame.
struct Workspace {
  Axis x, y;
  std::vector<int32_t> offset;  // of each output column's left source pixel in a row of RGB
  RgbRows rgb;
  std::vector<int16_t> blended;
};

}  // namespace

void preprocess(const Picture& picture, uint8_t* out, int width, int height) {
  const RowKernels& rows = kernels();
  const int64_t out_stride = 3 * static_cast<int64_t>(width);
  if (picture.width == width && picture.height == height) {
    for (int y = 0; y < height; ++y) convert_row(rows, picture, y, out + y * out_stride);
    return;
  }
  thread_local Workspace work;
  if (work.x.prepare(picture.width, width)) {
    work.offset.resize(width);
    for (int x = 0; x < width; ++x) work.offset[x] = 3 * work.x.index[x];
  }
  work.y.prepare(picture.height, height);
  work.rgb.start(rows, picture);
  work.blended.resize(3 * static_cast<size_t>(picture.width) + ROW_PADDING);
  for (int y = 0; y < height; ++y) {
    const uint8_t* top = work.rgb.row(work.y.index[y]);
    const uint8_t* bottom = work.rgb.row(work.y.next(y));
    rows.blend_rows(top, bottom, work.y.weight_q15[y], 3 * picture.width, work.blended.data());
    rows.resample_row(work.blended.data(), work.offset.data(), work.x.weight_q15.data(), width,
                      out + y * out_stride);
  }
}

}  // namespace roadseg
