// The CUDA kernels' C interface. A launch is put on the stream (a cudaStream_t) and returns at once:
// null, or words for what failed. All pointers are the device's, or mapped for it.
#pragma once

#ifndef __CUDACC_RTC__
#include <stdint.h>

#ifdef __cplusplus
#define ROADSEG_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define ROADSEG_EXPORT
#endif

// format: 0 RGB, 1 BGR, 2 NV12, 3 YUYV. out: (out_height, out_width, 3) RGB, contiguous.
// Extents are 1 to 32767; NV12 needs even ones, YUYV an even width.
ROADSEG_EXPORT const char* roadseg_cuda_preprocess(const uint8_t* pixels, int format, int width,
                                                   int height, int64_t row_stride, uint8_t* out,
                                                   int out_width, int out_height, void* stream);

// logits: (classes, height, width), contiguous, finite; 2 to 32 classes. confidence: rows as far
// apart as those of mask, or null.
ROADSEG_EXPORT const char* roadseg_cuda_decode(const float* logits, int classes, int height,
                                               int width, uint8_t* mask, int mask_width,
                                               int mask_height, int64_t mask_stride,
                                               uint8_t* confidence, void* stream);
#endif
