// The buffers of a V4L2 device and their way round: queued, filled, lent, given back.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <vector>

#include "v4l2_device.h"
#include "v4l2_mapping.h"

namespace roadseg::v4l2 {

// A buffer that the driver has filled.
struct Filled {
  uint32_t index = 0;
  uint64_t loan = 0;  // names this use of the buffer when it is given back
  uint32_t sequence = 0;
  int64_t timestamp_ns = 0;  // on the monotonic clock, 0 when the driver has another
  bool error = false;        // V4L2_BUF_FLAG_ERROR: the pixels may be corrupt
  std::vector<uint32_t> bytes;  // used of each plane
};

enum class Wait { Filled, TimedOut, Interrupted, Closed };

// One thread calls next(); give_back() and close() may be called by others.
class Stream {
 public:
  // memory: V4L2_MEMORY_MMAP, _USERPTR or _DMABUF. The driver may give another count than asked.
  Stream(const Device& device, uint32_t memory, uint32_t count);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  uint32_t count() const { return static_cast<uint32_t>(buffers_.size()); }

  // MMAP: map a buffer's planes.
  std::vector<std::shared_ptr<Mapping>> map(uint32_t index);
  // MMAP: a buffer's planes as dma-bufs, closed with the stream.
  std::vector<int> export_planes(uint32_t index);
  // USERPTR: memory of a buffer's planes; it must outlive the stream.
  void use_memory(uint32_t index, const std::vector<std::pair<void*, size_t>>& planes);
  // DMABUF: dma-bufs of a buffer's planes; the stream does not close them.
  void use_dmabufs(uint32_t index, const std::vector<int>& fds, const std::vector<size_t>& sizes);
  // Map dma-bufs, a buffer's own or exported, for reading; the CPU's caches are then kept right.
  std::vector<std::shared_ptr<Mapping>> map_dmabufs(uint32_t index, const std::vector<int>& fds,
                                                    const std::vector<size_t>& sizes);

  void start();
  // Throws ESTALE when the signal that comes in got another size (V4L2_EVENT_SOURCE_CHANGE): the
  // buffers no longer fit it, the device is to be opened again.
  Wait next(int timeout_ms, Filled& filled);
  // Nothing happens when the loan is over: given back before, or closed.
  void give_back(uint32_t index, uint64_t loan);
  // How many the driver has to fill.
  uint32_t queued() const;
  // Ends a wait of next(), now and from now on.
  void cancel() { ::eventfd_write(wake_, 1); }
  // Stops, unmaps, frees the driver's buffers. Lent pixels stay readable, as a copy.
  void close();

 private:
  struct Plane {
    size_t length = 0;
    void* memory = nullptr;
    int fd = -1;
  };
  struct Buffer {
    std::vector<Plane> planes;
    std::vector<std::shared_ptr<Mapping>> mappings;
    std::vector<int> exported;
    std::vector<int> synced;        // dma-bufs that are read by the CPU
    std::atomic<uint64_t> loan{0};  // 0: not lent
    std::atomic<bool> waiting{false};  // given back, but the driver did not take it
  };
  struct Request;  // a v4l2_buffer with its planes

  Wait wait(int timeout_ms);
  void take_events();
  bool has_same_signal() const;
  bool dequeue(Filled& filled);
  int queue(uint32_t index);
  void queue_waiting();
  void sync(const Buffer& buffer, bool start) const;
  std::vector<v4l2_plane> query(uint32_t index) const;

  std::shared_ptr<const Descriptor> file_;
  uint32_t type_, memory_;
  bool multiplanar_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::atomic<bool> running_{false};
  std::shared_mutex use_;  // held alone by close()
  int wake_;               // an eventfd: ends a wait
  uint64_t loans_ = 0;
};

}  // namespace roadseg::v4l2
