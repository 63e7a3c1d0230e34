#include "v4l2_device.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cctype>
#include <cstring>
#include <system_error>

namespace roadseg::v4l2 {

namespace {

std::string to_string(const uint8_t* text, size_t limit) {
  const char* start = reinterpret_cast<const char*>(text);
  return {start, strnlen(start, limit)};
}

uint32_t to_code(const std::string& fourcc) {
  if (fourcc.size() != 4) fail("a pixel format has four letters", EINVAL);
  return v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
}

std::string to_fourcc(uint32_t code) {
  std::string name;
  for (int i = 0; i < 4; ++i) name += static_cast<char>(code >> (8 * i) & 0x7f);
  return name;
}

std::string to_control_name(const char* label) {
  std::string name;
  for (; *label; ++label) {
    if (std::isalnum(static_cast<unsigned char>(*label))) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(*label)));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  return name;
}

bool is_scalar(uint32_t type) {
  return type == V4L2_CTRL_TYPE_INTEGER || type == V4L2_CTRL_TYPE_BOOLEAN ||
         type == V4L2_CTRL_TYPE_MENU || type == V4L2_CTRL_TYPE_INTEGER_MENU ||
         type == V4L2_CTRL_TYPE_BUTTON;
}

Capability query(const Descriptor& file) {
  v4l2_capability answer{};
  file.call("VIDIOC_QUERYCAP", VIDIOC_QUERYCAP, &answer);
  const uint32_t can = answer.capabilities & V4L2_CAP_DEVICE_CAPS ? answer.device_caps
                                                                  : answer.capabilities;
  const bool multiplanar = can & V4L2_CAP_VIDEO_CAPTURE_MPLANE;
  return {to_string(answer.driver, sizeof answer.driver),
          to_string(answer.card, sizeof answer.card),
          to_string(answer.bus_info, sizeof answer.bus_info),
          multiplanar || (can & V4L2_CAP_VIDEO_CAPTURE),
          multiplanar,
          (can & V4L2_CAP_STREAMING) != 0};
}

Layout to_layout(const v4l2_format& format, bool multiplanar) {
  const v4l2_pix_format& one = format.fmt.pix;
  const v4l2_pix_format_mplane& many = format.fmt.pix_mp;
  const uint32_t field = multiplanar ? many.field : one.field;
  const bool whole = field == V4L2_FIELD_NONE || field == V4L2_FIELD_INTERLACED ||
                     field == V4L2_FIELD_INTERLACED_TB || field == V4L2_FIELD_INTERLACED_BT;
  if (!multiplanar) {
    return {to_fourcc(one.pixelformat), one.width, one.height, whole,
            {{one.bytesperline, one.sizeimage}}};
  }
  Layout layout{to_fourcc(many.pixelformat), many.width, many.height, whole, {}};
  for (int i = 0; i < many.num_planes; ++i) {
    layout.planes.push_back({many.plane_fmt[i].bytesperline, many.plane_fmt[i].sizeimage});
  }
  return layout;
}

}  // namespace

void fail(const char* what, int code) {
  throw std::system_error(code, std::generic_category(), what);
}

Descriptor::Descriptor(const std::string& path)
    : fd_(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
  if (fd_ < 0) fail("open", errno);
}

Descriptor::~Descriptor() { ::close(fd_); }

int Descriptor::attempt(unsigned long request, void* argument) const {
  int answer;
  do {
    answer = ::ioctl(fd_, request, argument);
  } while (answer < 0 && errno == EINTR);
  return answer < 0 ? errno : 0;
}

void Descriptor::call(const char* name, unsigned long request, void* argument) const {
  if (const int code = attempt(request, argument)) fail(name, code);
}

Device::Device(const std::string& path)
    : file_(std::make_shared<Descriptor>(path)), capability_(query(*file_)) {}

uint32_t Device::buffer_type() const {
  return capability_.multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
}

std::shared_ptr<const Descriptor> Device::file() const {
  if (!file_) fail("the device is closed", EBADF);
  return file_;
}

std::vector<FormatInfo> Device::formats() const {
  std::vector<FormatInfo> found;
  v4l2_fmtdesc one{};
  one.type = buffer_type();
  for (; !file()->attempt(VIDIOC_ENUM_FMT, &one); ++one.index) {
    found.push_back(
        {to_fourcc(one.pixelformat), to_string(one.description, sizeof one.description)});
  }
  return found;
}

std::vector<Sizes> Device::sizes(const std::string& fourcc) const {
  std::vector<Sizes> found;
  v4l2_frmsizeenum one{};
  one.pixel_format = to_code(fourcc);
  for (; !file()->attempt(VIDIOC_ENUM_FRAMESIZES, &one); ++one.index) {
    if (one.type != V4L2_FRMSIZE_TYPE_DISCRETE) {
      const v4l2_frmsize_stepwise& range = one.stepwise;
      return {{range.min_width, range.max_width, range.step_width, range.min_height,
               range.max_height, range.step_height}};
    }
    const v4l2_frmsize_discrete& size = one.discrete;
    found.emplace_back(size.width, size.width, 1, size.height, size.height, 1);
  }
  return found;
}

std::vector<Intervals> Device::intervals(const std::string& fourcc, uint32_t width,
                                         uint32_t height) const {
  std::vector<Intervals> found;
  v4l2_frmivalenum one{};
  one.pixel_format = to_code(fourcc);
  one.width = width;
  one.height = height;
  for (; !file()->attempt(VIDIOC_ENUM_FRAMEINTERVALS, &one); ++one.index) {
    if (one.type != V4L2_FRMIVAL_TYPE_DISCRETE) {
      const v4l2_frmival_stepwise& range = one.stepwise;
      return {{range.min.numerator, range.min.denominator, range.max.numerator,
               range.max.denominator}};
    }
    const v4l2_fract& interval = one.discrete;
    found.emplace_back(interval.numerator, interval.denominator, interval.numerator,
                       interval.denominator);
  }
  return found;
}

bool Device::follow_signal() {
  v4l2_event_subscription changes{};
  changes.type = V4L2_EVENT_SOURCE_CHANGE;
  file()->attempt(VIDIOC_SUBSCRIBE_EVENT, &changes);  // first, so that no change is missed
  v4l2_dv_timings timings{};
  const int code = file()->attempt(VIDIOC_QUERY_DV_TIMINGS, &timings);
  if (code == ENOTTY || code == ENODATA || code == EINVAL) return false;
  if (code) fail("VIDIOC_QUERY_DV_TIMINGS", code);
  file()->call("VIDIOC_S_DV_TIMINGS", VIDIOC_S_DV_TIMINGS, &timings);
  return true;
}

Layout Device::set_format(const std::string& fourcc, uint32_t width, uint32_t height) {
  v4l2_format format{};
  format.type = buffer_type();
  if (capability_.multiplanar) {
    format.fmt.pix_mp.width = width;
    format.fmt.pix_mp.height = height;
    format.fmt.pix_mp.pixelformat = to_code(fourcc);
    format.fmt.pix_mp.field = V4L2_FIELD_NONE;
  } else {
    format.fmt.pix.width = width;
    format.fmt.pix.height = height;
    format.fmt.pix.pixelformat = to_code(fourcc);
    format.fmt.pix.field = V4L2_FIELD_NONE;
  }
  file()->call("VIDIOC_S_FMT", VIDIOC_S_FMT, &format);
  return to_layout(format, capability_.multiplanar);
}

std::tuple<uint32_t, uint32_t> Device::set_interval(uint32_t numerator, uint32_t denominator) {
  v4l2_streamparm parameters{};
  parameters.type = buffer_type();
  v4l2_fract& interval = parameters.parm.capture.timeperframe;
  interval = {numerator, denominator};
  const int code = file()->attempt(VIDIOC_S_PARM, &parameters);
  if (code == ENOTTY || code == EINVAL) return {0, 0};
  if (code) fail("VIDIOC_S_PARM", code);
  return {interval.numerator, interval.denominator};
}

std::vector<Control> Device::controls() const {
  std::vector<Control> found;
  v4l2_queryctrl one{};
  one.id = V4L2_CTRL_FLAG_NEXT_CTRL;
  for (; !file()->attempt(VIDIOC_QUERYCTRL, &one); one.id |= V4L2_CTRL_FLAG_NEXT_CTRL) {
    if (!is_scalar(one.type) || (one.flags & V4L2_CTRL_FLAG_DISABLED)) continue;
    const std::string label = to_string(one.name, sizeof one.name);
    found.push_back({one.id, to_control_name(label.c_str()), one.minimum, one.maximum, one.step,
                     one.default_value, (one.flags & V4L2_CTRL_FLAG_INACTIVE) != 0});
  }
  return found;
}

int32_t Device::control(uint32_t id) const {
  v4l2_control one{id, 0};
  file()->call("VIDIOC_G_CTRL", VIDIOC_G_CTRL, &one);
  return one.value;
}

void Device::set_control(uint32_t id, int32_t value) {
  v4l2_control one{id, value};
  file()->call("VIDIOC_S_CTRL", VIDIOC_S_CTRL, &one);
}

}  // namespace roadseg::v4l2
