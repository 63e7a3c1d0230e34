// The Python module roadseg.runtime._native. The Python functions around it check all shapes.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "decode.h"
#include "isa.h"
#include "overlay.h"
#include "preprocess.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class Element, size_t Dimensions>
using Array = nb::ndarray<Element, nb::ndim<Dimensions>, nb::device::cpu>;
using Bytes = nb::ndarray<const uint8_t, nb::device::cpu>;

template <class A>
int extent(const A& array, size_t axis) {
  return static_cast<int>(array.shape(axis));
}

roadseg::Format format_named(const std::string& name) {
  if (name == "RGB") return roadseg::Format::RGB;
  if (name == "BGR") return roadseg::Format::BGR;
  if (name == "NV12" || name == "NV12M") return roadseg::Format::NV12;
  if (name == "NV21") return roadseg::Format::NV21;
  if (name == "YU12") return roadseg::Format::YU12;
  if (name == "YUYV") return roadseg::Format::YUYV;
  if (name == "UYVY") return roadseg::Format::UYVY;
  if (name == "GREY") return roadseg::Format::GREY;
  throw nb::value_error(("unknown pixel format '" + name + "'").c_str());
}

void preprocess(const Bytes& pixels, const std::optional<Bytes>& chroma, const std::string& format,
                int height, const Array<uint8_t, 3>& out) {
  roadseg::Picture picture{pixels.data(), pixels.stride(0), extent(pixels, 1), height,
                           format_named(format)};
  picture.chroma = chroma ? chroma->data() : picture.pixels + height * picture.row_stride;
  picture.chroma_stride = chroma ? chroma->stride(0) : picture.row_stride;
  if (picture.format == roadseg::Format::YU12) picture.chroma_stride /= 2;
  nb::gil_scoped_release unlocked;
  roadseg::preprocess(picture, out.data(), extent(out, 1), extent(out, 0));
}

void decode(const Array<const float, 3>& logits, const Array<uint8_t, 2>& mask,
            const std::optional<Array<uint8_t, 2>>& confidence) {
  const roadseg::Logits source{logits.data(), extent(logits, 0), extent(logits, 1),
                               extent(logits, 2)};
  const roadseg::Plane ids{mask.data(), mask.stride(0)};
  roadseg::Plane shares{nullptr, 0};
  if (confidence) shares = {confidence->data(), confidence->stride(0)};
  nb::gil_scoped_release unlocked;
  roadseg::decode(source, ids, shares, extent(mask, 1), extent(mask, 0));
}

void count_ids(const Array<const uint8_t, 2>& mask, const Array<int64_t, 1>& counts) {
  nb::gil_scoped_release unlocked;
  roadseg::count_ids(mask.data(), mask.stride(0), extent(mask, 1), extent(mask, 0), counts.data());
}

void overlay(const Array<const uint8_t, 3>& pixels, const Array<const uint8_t, 2>& mask,
             const Array<const uint8_t, 2>& palette, float alpha, const Array<uint8_t, 3>& out) {
  nb::gil_scoped_release unlocked;
  roadseg::overlay(pixels.data(), pixels.stride(0), mask.data(), mask.stride(0), palette.data(),
                   alpha, out.data(), out.stride(0), extent(mask, 1), extent(mask, 0));
}

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const roadseg::RowKernels* one : roadseg::available_kernels()) names.emplace_back(one->name);
  return names;
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Pixel kernels.";
  m.def("preprocess", &preprocess, "pixels"_a, "chroma"_a.none(), "format"_a, "height"_a, "out"_a);
  m.def("decode", &decode, "logits"_a, "mask"_a, "confidence"_a.none());
  m.def("count_ids", &count_ids, "mask"_a, "counts"_a);
  m.def("overlay", &overlay, "pixels"_a, "mask"_a, "palette"_a, "alpha"_a, "out"_a);
  m.def("fence", [] { std::atomic_thread_fence(std::memory_order_seq_cst); });
  m.def("isa", [] { return std::string(roadseg::kernels().name); });
  m.def("isas", &isas);
  m.def("use_isa", &roadseg::use_isa, "name"_a);

  if (const char* forced = std::getenv("ROADSEG_ISA")) {
    if (*forced) roadseg::use_isa(forced);
  }
}
