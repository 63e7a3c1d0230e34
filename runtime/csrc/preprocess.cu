// preprocess on the GPU: the bytes that the CPU kernels give, straight into an engine's input.
//
// A thread makes four pixels of a row: twelve bytes, three words where the output is aligned.
// Neighbouring threads read neighbouring source pixels, which the L1 cache holds for all of them.
#include "axis_math.h"
#include "cuda_kernels.h"
#include "cuda_launch.h"
#include "pixel_math.h"
#include "views.h"

namespace roadseg {

namespace {

constexpr int PIXELS = 4;

struct Rgb {
  uint8_t channel[3];
};

// Word by word where rows begin at multiples of its size, else byte by byte.
template <class Word, bool ALIGNED>
ROADSEG_INLINE Word load(const uint8_t* from) {
  Word word;
  const void* source = ALIGNED ? __builtin_assume_aligned(from, sizeof(Word)) : from;
  memcpy(&word, source, sizeof word);
  return word;
}

ROADSEG_INLINE Rgb from_yuv(uint8_t y, uint8_t u, uint8_t v) {
  Rgb rgb;
  yuv_to_rgb(y, chroma_q5(u, v), rgb.channel);
  return rgb;
}

template <Format FORMAT, bool ALIGNED>
ROADSEG_INLINE Rgb pixel_at(const Picture& picture, int x, int y) {
  const uint8_t* row = picture.pixels + y * picture.row_stride;
  if constexpr (FORMAT == Format::NV12) {
    const uint8_t* chroma = picture.pixels + (picture.height + y / 2) * picture.row_stride;
    const uint32_t uv = load<uint16_t, ALIGNED>(chroma + x / 2 * 2);
    return from_yuv(row[x], uv & 255, uv >> 8);
  } else if constexpr (FORMAT == Format::YUYV) {
    const uint32_t pair = load<uint32_t, ALIGNED>(row + x / 2 * 4);
    return from_yuv(pair >> x % 2 * 16 & 255, pair >> 8 & 255, pair >> 24);
  } else {
    const uint8_t* pixel = row + 3 * x;
    constexpr int RED = FORMAT == Format::RGB ? 0 : 2;
    return {pixel[RED], pixel[1], pixel[2 - RED]};
  }
}

struct SourceRows {
  int top, bottom;
  int16_t weight;
};

ROADSEG_INLINE SourceRows source_rows(const Picture& picture, int y, int height) {
  const AxisPoint point = axis_point<int32_t>(y, picture.height, height);
  return {point.index, axis_next(point.index, picture.height),
          axis_weight_q15<uint32_t>(point, height)};
}

// Blended down first, then across, as the CPU does.
template <Format FORMAT, bool ALIGNED>
ROADSEG_INLINE void resample(const Picture& picture, SourceRows rows, int x, int width,
                             uint8_t* rgb) {
  const AxisPoint point = axis_point<int32_t>(x, picture.width, width);
  const int16_t weight = axis_weight_q15<uint32_t>(point, width);
  const int left = point.index;
  const int right = axis_next(left, picture.width);
  const Rgb corners[4] = {pixel_at<FORMAT, ALIGNED>(picture, left, rows.top),
                          pixel_at<FORMAT, ALIGNED>(picture, right, rows.top),
                          pixel_at<FORMAT, ALIGNED>(picture, left, rows.bottom),
                          pixel_at<FORMAT, ALIGNED>(picture, right, rows.bottom)};
  for (int k = 0; k < 3; ++k) {
    const auto from = lerp_pixels(corners[0].channel[k], corners[2].channel[k], rows.weight);
    const auto to = lerp_pixels(corners[1].channel[k], corners[3].channel[k], rows.weight);
    rgb[k] = round_pixel(lerp_q15(from, to, weight));
  }
}

ROADSEG_INLINE bool is_aligned(const void* address, int bytes) {
  return reinterpret_cast<uint64_t>(address) % bytes == 0;
}

ROADSEG_INLINE void store(const uint8_t (&rgb)[3 * PIXELS], int pixels, uint8_t* out) {
  if (pixels >= PIXELS && is_aligned(out, 4)) {
    memcpy(__builtin_assume_aligned(out, 4), rgb, sizeof rgb);
    return;
  }
#pragma unroll
  for (int i = 0; i < 3 * PIXELS; ++i) {
    if (i < 3 * pixels) out[i] = rgb[i];
  }
}

}  // namespace

// At most 56 registers: 9 blocks of 128 threads live on a multiprocessor at once.
template <Format FORMAT, bool ALIGNED>
__global__ void __launch_bounds__(128)
    preprocess_kernel(Picture picture, uint8_t* out, int width, int height) {
  const int x = PIXELS * (blockIdx.x * blockDim.x + threadIdx.x);
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const SourceRows rows = source_rows(picture, y, height);
  uint8_t rgb[3 * PIXELS];
#pragma unroll
  for (int i = 0; i < PIXELS; ++i) {
    const int column = x + i < width ? x + i : width - 1;
    resample<FORMAT, ALIGNED>(picture, rows, column, width, rgb + 3 * i);
  }
  store(rgb, width - x, out + (static_cast<int64_t>(y) * width + x) * 3);
}

}  // namespace roadseg

#ifdef __CUDACC_RTC__
// NVRTC makes what is named.
namespace roadseg {
template __global__ void preprocess_kernel<Format::RGB, true>(Picture, uint8_t*, int, int);
template __global__ void preprocess_kernel<Format::BGR, true>(Picture, uint8_t*, int, int);
template __global__ void preprocess_kernel<Format::NV12, true>(Picture, uint8_t*, int, int);
template __global__ void preprocess_kernel<Format::NV12, false>(Picture, uint8_t*, int, int);
template __global__ void preprocess_kernel<Format::YUYV, true>(Picture, uint8_t*, int, int);
template __global__ void preprocess_kernel<Format::YUYV, false>(Picture, uint8_t*, int, int);
}  // namespace roadseg
#else

namespace roadseg {

namespace {

template <Format FORMAT>
cudaError_t launch_format(const Picture& picture, uint8_t* out, int width, int height,
                          void* stream) {
  constexpr int WORD = FORMAT == Format::YUYV ? 4 : FORMAT == Format::NV12 ? 2 : 1;
  auto* kernel = preprocess_kernel<FORMAT, WORD == 1>;
  if (is_aligned(picture.pixels, WORD) && picture.row_stride % WORD == 0) {
    kernel = preprocess_kernel<FORMAT, true>;
  }
  return launch(kernel, (width + PIXELS - 1) / PIXELS, height, stream, picture, out, width, height);
}

cudaError_t launch_preprocess(const Picture& picture, uint8_t* out, int width, int height,
                              void* stream) {
  switch (picture.format) {
    case Format::RGB:
      return launch_format<Format::RGB>(picture, out, width, height, stream);
    case Format::BGR:
      return launch_format<Format::BGR>(picture, out, width, height, stream);
    case Format::NV12:
      return launch_format<Format::NV12>(picture, out, width, height, stream);
    case Format::YUYV:
      return launch_format<Format::YUYV>(picture, out, width, height, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

}  // namespace roadseg

const char* roadseg_cuda_preprocess(const uint8_t* pixels, int format, int width, int height,
                                    int64_t row_stride, uint8_t* out, int out_width,
                                    int out_height, void* stream) {
  const roadseg::Picture picture{pixels, row_stride, width, height,
                                 static_cast<roadseg::Format>(format)};
  return roadseg::words_of(
      roadseg::launch_preprocess(picture, out, out_width, out_height, stream));
}

#endif
