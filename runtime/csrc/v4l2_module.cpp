// The Python module roadseg.runtime._v4l2: cameras by the kernel's own interface.
//
// What fails raises OSError with the kernel's errno. The GIL is released while the kernel works:
// opening, setting a format and waiting for a frame may take seconds.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <system_error>

#include "v4l2_stream.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace roadseg::v4l2;

namespace {

using Unlocked = nb::call_guard<nb::gil_scoped_release>;
using View = nb::ndarray<nb::numpy, const uint8_t, nb::ndim<1>>;
using Memory = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

View view(const std::shared_ptr<Mapping>& mapping) {
  auto* owner = new std::shared_ptr<Mapping>(mapping);
  nb::capsule capsule(owner, [](void* p) noexcept {
    delete static_cast<std::shared_ptr<Mapping>*>(p);
  });
  return View(mapping->data(), {mapping->size()}, capsule);
}

std::vector<View> views(const std::vector<std::shared_ptr<Mapping>>& mappings) {
  std::vector<View> made;
  for (const auto& mapping : mappings) made.push_back(view(mapping));
  return made;
}

void use_memory(Stream& stream, uint32_t index, const std::vector<Memory>& planes) {
  std::vector<std::pair<void*, size_t>> memory;
  for (const Memory& plane : planes) memory.emplace_back(plane.data(), plane.size());
  stream.use_memory(index, memory);
}

// None when no frame came in time or the stream is closed.
std::optional<Filled> next(Stream& stream, int timeout_ms) {
  Filled filled;
  for (;;) {
    Wait result;
    {
      nb::gil_scoped_release unlocked;
      result = stream.next(timeout_ms, filled);
    }
    if (result == Wait::Filled) return filled;
    if (result != Wait::Interrupted) return std::nullopt;
    if (PyErr_CheckSignals()) throw nb::python_error();
  }
}

void to_os_error(const std::exception_ptr& error, void*) {
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& fault) {
    nb::object arguments = nb::make_tuple(fault.code().value(), fault.what());
    PyErr_SetObject(PyExc_OSError, arguments.ptr());
  }
}

void bind_device(nb::module_& m) {
  nb::class_<Capability>(m, "Capability")
      .def_ro("driver", &Capability::driver)
      .def_ro("card", &Capability::card)
      .def_ro("bus", &Capability::bus)
      .def_ro("capture", &Capability::capture)
      .def_ro("multiplanar", &Capability::multiplanar)
      .def_ro("streaming", &Capability::streaming);
  nb::class_<FormatInfo>(m, "FormatInfo")
      .def_ro("fourcc", &FormatInfo::fourcc)
      .def_ro("description", &FormatInfo::description);
  nb::class_<PlaneLayout>(m, "PlaneLayout")
      .def_ro("row_bytes", &PlaneLayout::row_bytes)
      .def_ro("bytes", &PlaneLayout::bytes);
  nb::class_<Layout>(m, "Layout")
      .def_ro("fourcc", &Layout::fourcc)
      .def_ro("width", &Layout::width)
      .def_ro("height", &Layout::height)
      .def_ro("whole", &Layout::whole)
      .def_ro("planes", &Layout::planes);
  nb::class_<Control>(m, "Control")
      .def_ro("id", &Control::id)
      .def_ro("name", &Control::name)
      .def_ro("minimum", &Control::minimum)
      .def_ro("maximum", &Control::maximum)
      .def_ro("step", &Control::step)
      .def_ro("preset", &Control::preset)
      .def_ro("inactive", &Control::inactive);
  nb::class_<Device>(m, "Device")
      .def(nb::init<const std::string&>(), "path"_a, Unlocked())
      .def_prop_ro("capability", &Device::capability)
      .def("formats", &Device::formats, Unlocked())
      .def("sizes", &Device::sizes, "fourcc"_a, Unlocked())
      .def("intervals", &Device::intervals, "fourcc"_a, "width"_a, "height"_a, Unlocked())
      .def("follow_signal", &Device::follow_signal, Unlocked())
      .def("set_format", &Device::set_format, "fourcc"_a, "width"_a, "height"_a, Unlocked())
      .def("set_interval", &Device::set_interval, "numerator"_a, "denominator"_a, Unlocked())
      .def("controls", &Device::controls, Unlocked())
      .def("control", &Device::control, "id"_a, Unlocked())
      .def("set_control", &Device::set_control, "id"_a, "value"_a, Unlocked())
      .def("close", &Device::close, Unlocked());
}

void bind_stream(nb::module_& m) {
  nb::class_<Filled>(m, "Filled")
      .def_ro("index", &Filled::index)
      .def_ro("loan", &Filled::loan)
      .def_ro("sequence", &Filled::sequence)
      .def_ro("timestamp_ns", &Filled::timestamp_ns)
      .def_ro("error", &Filled::error)
      .def_ro("bytes", &Filled::bytes);
  nb::class_<Stream>(m, "Stream")
      .def(nb::init<const Device&, uint32_t, uint32_t>(), "device"_a, "memory"_a, "count"_a,
           Unlocked())
      .def_prop_ro("count", &Stream::count)
      .def_prop_ro("queued", &Stream::queued)
      .def("map", [](Stream& stream, uint32_t index) { return views(stream.map(index)); },
           "index"_a)
      .def("export_planes", &Stream::export_planes, "index"_a)
      .def("use_memory", &use_memory, "index"_a, "planes"_a)
      .def("use_dmabufs", &Stream::use_dmabufs, "index"_a, "fds"_a, "sizes"_a)
      .def("map_dmabufs",
           [](Stream& stream, uint32_t index, const std::vector<int>& fds,
              const std::vector<size_t>& sizes) {
             return views(stream.map_dmabufs(index, fds, sizes));
           },
           "index"_a, "fds"_a, "sizes"_a)
      .def("start", &Stream::start, Unlocked())
      .def("next", &next, "timeout_ms"_a)
      .def("give_back", &Stream::give_back, "index"_a, "loan"_a, Unlocked())
      .def("cancel", &Stream::cancel)
      .def("close", &Stream::close, Unlocked());
}

}  // namespace

NB_MODULE(_v4l2, m) {
  m.doc() = "Cameras by V4L2, the kernel's own interface.";
  // An opening that hangs in the kernel at the end of the process is no leak to tell of.
  nb::set_leak_warnings(false);
  nb::register_exception_translator(to_os_error);
  m.attr("MMAP") = static_cast<int>(V4L2_MEMORY_MMAP);
  m.attr("USERPTR") = static_cast<int>(V4L2_MEMORY_USERPTR);
  m.attr("DMABUF") = static_cast<int>(V4L2_MEMORY_DMABUF);
  bind_device(m);
  bind_stream(m);
}
