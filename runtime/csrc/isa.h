// Which instructions the kernels use, chosen once by what the CPU has.
#pragma once

#include <string>
#include <vector>

#include "row_kernels.h"

namespace roadseg {

// What this machine can run, best first; the last is "baseline".
std::vector<const RowKernels*> available_kernels();

// Throws std::invalid_argument when the machine cannot run it or the name is unknown.
void use_isa(const std::string& name);

const RowKernels& kernels();

}  // namespace roadseg
