// The words for what a launch returned.
#include "cuda_launch.h"

ROADSEG_EXPORT const char* roadseg_cuda_error(int code) {
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}
