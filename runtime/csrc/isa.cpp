#include "isa.h"

#include <atomic>
#include <stdexcept>

namespace roadseg {

namespace {
std::atomic<const RowKernels*> chosen{nullptr};
}

std::vector<const RowKernels*> available_kernels() {
  std::vector<const RowKernels*> found;
#ifdef ROADSEG_X86
  const bool avx2 = __builtin_cpu_supports("avx2");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    found.push_back(&avx512_kernels);
  }
  if (avx2) found.push_back(&avx2_kernels);
#endif
  found.push_back(&baseline_kernels);
  return found;
}

void use_isa(const std::string& name) {
  std::string known;
  for (const RowKernels* one : available_kernels()) {
    if (name == one->name) {
      chosen = one;
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(one->name);
  }
  throw std::invalid_argument("instruction set '" + name + "' is not one of this machine's: " +
                              known);
}

const RowKernels& kernels() {
  const RowKernels* one = chosen;
  if (!one) chosen = one = available_kernels().front();
  return *one;
}

}  // namespace roadseg
