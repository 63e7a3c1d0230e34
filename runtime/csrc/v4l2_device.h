// A V4L2 device node: what it can do, and the format, rate and controls that are set on it.
//
// Only the kernel's interface is used. What fails throws std::system_error with its errno.
#pragma once

#include <linux/videodev2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace roadseg::v4l2 {

[[noreturn]] void fail(const char* what, int code);

// An open file, closed when its last owner is gone.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return fd_; }
  // 0 or an errno.
  int attempt(unsigned long request, void* argument) const;
  void call(const char* name, unsigned long request, void* argument) const;

 private:
  int fd_;
};

struct Capability {
  std::string driver, card, bus;
  bool capture;      // gives pictures, by one of the two interfaces
  bool multiplanar;  // by the interface with several memory planes
  bool streaming;
};

struct FormatInfo {
  std::string fourcc, description;
};

// Of the rows of one memory plane.
struct PlaneLayout {
  uint32_t row_bytes, bytes;
};

struct Layout {
  std::string fourcc;
  uint32_t width, height;
  bool whole;  // each buffer has all rows: not one field of an interlaced picture
  std::vector<PlaneLayout> planes;
};

struct Control {
  uint32_t id;
  std::string name;  // as v4l2-ctl writes it: lower case, underscores
  int32_t minimum, maximum, step, preset;
  bool inactive;
};

// Smallest and largest width, its step, and the same of the height.
using Sizes = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>;
// Shortest interval between frames in seconds as a fraction, and the longest.
using Intervals = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;

class Device {
 public:
  explicit Device(const std::string& path);

  const Capability& capability() const { return capability_; }
  uint32_t buffer_type() const;

  std::vector<FormatInfo> formats() const;
  std::vector<Sizes> sizes(const std::string& fourcc) const;  // empty: the driver does not say
  std::vector<Intervals> intervals(const std::string& fourcc, uint32_t width,
                                   uint32_t height) const;

  // Sets a receiver (HDMI, SDI) to the timings of the signal that comes in, and has its stream told
  // of changes. Returns whether it is a receiver; one without a signal that it can take throws
  // ENOLINK, ENOLCK or ERANGE.
  bool follow_signal();
  // The driver answers with the nearest that it has.
  Layout set_format(const std::string& fourcc, uint32_t width, uint32_t height);
  // Returns the interval in use, 0/0 when the driver has no rates.
  std::tuple<uint32_t, uint32_t> set_interval(uint32_t numerator, uint32_t denominator);

  std::vector<Control> controls() const;
  int32_t control(uint32_t id) const;
  void set_control(uint32_t id, int32_t value);

  // The file is closed with the last stream of it.
  void close() { file_.reset(); }
  std::shared_ptr<const Descriptor> file() const;

 private:
  std::shared_ptr<const Descriptor> file_;
  Capability capability_;
};

}  // namespace roadseg::v4l2
