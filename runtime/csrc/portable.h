// What lets one source compile for every CPU level, by nvcc, and by NVRTC, which has no headers.
//
// Functions are static: translation units are compiled for different CPUs, and a linker that
// merged them could put instructions where the CPU does not have them.
#pragma once

#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#else
#include <cstdint>
#include <cstring>
#endif

#ifdef __CUDACC__
#define ROADSEG_INLINE static __host__ __device__ __forceinline__
#else
#define ROADSEG_INLINE static inline
#endif

namespace roadseg {

// A product that is never fused with the sum that follows: the CPU's kernels are compiled with
// -ffp-contract=off, and CUDA has a function that forbids it.
template <class F>
ROADSEG_INLINE F multiply(F a, F b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

// Rounded as IEEE 754 says also when a build asks for fast division.
ROADSEG_INLINE float divide(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

}  // namespace roadseg
