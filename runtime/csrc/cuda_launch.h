// The host side of a kernel's launch. NVRTC compiles the kernels alone.
#pragma once

#ifndef __CUDACC_RTC__
#include <cuda_runtime.h>

namespace roadseg {

constexpr int BLOCK_WIDTH = 32;  // a warp works on one row, so that it reads and writes side by side
constexpr int BLOCK_HEIGHT = 4;

// One thread for each of columns x rows. Returns what cudaLaunchKernelEx does.
template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), int columns, int rows, void* stream,
                   Parameters... arguments) {
  cudaLaunchConfig_t config = {};
  config.blockDim = dim3(BLOCK_WIDTH, BLOCK_HEIGHT);
  config.gridDim = dim3((columns + BLOCK_WIDTH - 1) / BLOCK_WIDTH,
                        (rows + BLOCK_HEIGHT - 1) / BLOCK_HEIGHT);
  config.stream = static_cast<cudaStream_t>(stream);
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

// What the C functions return: null when the launch was done.
inline const char* words_of(cudaError_t code) {
  return code == cudaSuccess ? nullptr : cudaGetErrorString(code);
}

}  // namespace roadseg
#endif
