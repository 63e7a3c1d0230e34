// Memory of a driver or of a dma-buf, mapped for reading.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace roadseg::v4l2 {

// A mapping keeps its camera's node: one that outlives an unplugged camera makes it come back
// under another number. So the driver's memory is taken away when a stream is closed, while views
// of it may go on: they then see private memory at the same address.
class Mapping {
 public:
  Mapping(int fd, size_t length, off_t offset);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const uint8_t* data() const { return static_cast<const uint8_t*>(address_); }
  size_t size() const { return length_; }

  // Gives the driver's memory up; keep: views go on to show what is in it now, else zeros.
  void detach(bool keep);

 private:
  void* address_;
  size_t length_;
};

}  // namespace roadseg::v4l2
