// The arithmetic of single logits, shared by every build of the kernels (each CPU level, CUDA).
//
// F is float or a vector of floats. Products are rounded before they are added, so all builds give
// the same bits.
#pragma once

#include "portable.h"

namespace roadseg {

template <class F>
ROADSEG_INLINE F all(float value) {
  return value - F{};
}

template <class F>
ROADSEG_INLINE F lerp(F from, F to, F weight) {
  return from + multiply(weight, to - from);
}

template <class To, class From>
ROADSEG_INLINE To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of the same number");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

// e to the power of x for x <= 0: 2^n * p(f) with |f| <= 0.5; the polynomial is Cephes' expf.
// Relative error below 2e-7, far under the 1 / 255 that a confidence resolves.
template <class F, class I>
ROADSEG_INLINE F exp_negative(F x) {
  x = x < all<F>(-87.0f) ? all<F>(-87.0f) : x;
  const F magic = all<F>(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const F shifted = multiply(x, all<F>(1.44269504f)) + magic;
  const F n = shifted - magic;
  const F f =
      x - multiply(n, all<F>(0.693359375f)) + multiply(n, all<F>(2.12194440e-4f));
  F p = all<F>(1.9875691500e-4f);
  p = multiply(p, f) + all<F>(1.3981999507e-3f);
  p = multiply(p, f) + all<F>(8.3334519073e-3f);
  p = multiply(p, f) + all<F>(4.1665795894e-2f);
  p = multiply(p, f) + all<F>(1.6666665459e-1f);
  p = multiply(p, f) + all<F>(5.0000001201e-1f);
  p = multiply(multiply(p, f), f) + f + all<F>(1.0f);
  const I exponent = (same_bits<I>(shifted) - 0x4B400000 + 127) << 23;
  return multiply(p, same_bits<F>(exponent));
}

}  // namespace roadseg
