#include "v4l2_mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "v4l2_device.h"

namespace roadseg::v4l2 {

Mapping::Mapping(int fd, size_t length, off_t offset)
    : address_(::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, offset)), length_(length) {
  if (address_ == MAP_FAILED) fail("mmap", errno);
}

Mapping::~Mapping() { ::munmap(address_, length_); }

void Mapping::detach(bool keep) {
  const int kind = MAP_PRIVATE | MAP_ANONYMOUS;
  if (keep) {
    void* kept = ::mmap(nullptr, length_, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (kept != MAP_FAILED) {
      std::memcpy(kept, address_, length_);
      // In one step: a thread that reads sees the one memory or the other.
      ::mremap(kept, length_, length_, MREMAP_MAYMOVE | MREMAP_FIXED, address_);
      return;
    }
  }
  ::mmap(address_, length_, PROT_READ, kind | MAP_FIXED, -1, 0);
}

}  // namespace roadseg::v4l2
