// Compiled once for each CPU level, with ROADSEG_ISA naming it.
#include "row_kernels.h"

#include "decode_rows.h"
#include "overlay_rows.h"
#include "preprocess_rows.h"

#define ROADSEG_JOIN_(a, b) a##b
#define ROADSEG_JOIN(a, b) ROADSEG_JOIN_(a, b)
#define ROADSEG_STRING_(a) #a
#define ROADSEG_STRING(a) ROADSEG_STRING_(a)

namespace roadseg {

extern const RowKernels ROADSEG_JOIN(ROADSEG_ISA, _kernels) = {
    ROADSEG_STRING(ROADSEG_ISA),
    semiplanar_to_rgb<0, 1>,
    semiplanar_to_rgb<1, 0>,
    yu12_to_rgb,
    packed_to_rgb<0, 1, 3>,
    packed_to_rgb<1, 0, 2>,
    bgr_to_rgb,
    grey_to_rgb,
    blend_rows,
    resample_row,
    argmax_row,
    common_row,
    widen_block,
    argmax_block,
    overlay_row,
};

}  // namespace roadseg
