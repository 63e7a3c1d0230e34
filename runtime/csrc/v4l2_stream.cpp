#include "v4l2_stream.h"

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <mutex>

namespace roadseg::v4l2 {

namespace {

using Clock = std::chrono::steady_clock;

// Of a pixel clock, in Hz: what receivers measure wavers.
constexpr int64_t CLOCK_TOLERANCE = 250000;

int milliseconds_until(Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
  return static_cast<int>(std::max<int64_t>(0, left.count()));
}

}  // namespace

// A v4l2_buffer; with the multi-planar interface its planes lie beside it.
struct Stream::Request {
  v4l2_buffer buffer{};
  v4l2_plane planes[VIDEO_MAX_PLANES]{};

  explicit Request(const Stream& stream, uint32_t index = 0) {
    buffer.index = index;
    buffer.type = stream.type_;
    buffer.memory = stream.memory_;
    if (stream.multiplanar_) {
      buffer.m.planes = planes;
      buffer.length = VIDEO_MAX_PLANES;
    }
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
};

Stream::Stream(const Device& device, uint32_t memory, uint32_t count)
    : file_(device.file()),
      type_(device.buffer_type()),
      memory_(memory),
      multiplanar_(device.capability().multiplanar),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_ < 0) fail("eventfd", errno);
  v4l2_requestbuffers request{};
  request.count = count;
  request.type = type_;
  request.memory = memory_;
  if (const int code = file_->attempt(VIDIOC_REQBUFS, &request)) {
    ::close(wake_);
    fail("VIDIOC_REQBUFS", code);
  }
  for (uint32_t i = 0; i < request.count; ++i) buffers_.push_back(std::make_unique<Buffer>());
}

Stream::~Stream() {
  close();
  ::close(wake_);
}

std::vector<v4l2_plane> Stream::query(uint32_t index) const {
  Request request(*this, index);
  file_->call("VIDIOC_QUERYBUF", VIDIOC_QUERYBUF, &request.buffer);
  if (multiplanar_) return {request.planes, request.planes + request.buffer.length};
  v4l2_plane plane{};
  plane.length = request.buffer.length;
  plane.m.mem_offset = request.buffer.m.offset;
  return {plane};
}

std::vector<std::shared_ptr<Mapping>> Stream::map(uint32_t index) {
  Buffer& buffer = *buffers_.at(index);
  for (const v4l2_plane& plane : query(index)) {
    buffer.planes.push_back({plane.length});
    buffer.mappings.push_back(
        std::make_shared<Mapping>(file_->number(), plane.length, plane.m.mem_offset));
  }
  return buffer.mappings;
}

std::vector<int> Stream::export_planes(uint32_t index) {
  Buffer& buffer = *buffers_.at(index);
  const auto planes = static_cast<uint32_t>(query(index).size());
  for (uint32_t i = 0; i < planes; ++i) {
    v4l2_exportbuffer request{};
    request.type = type_;
    request.index = index;
    request.plane = i;
    request.flags = O_RDWR | O_CLOEXEC;
    file_->call("VIDIOC_EXPBUF", VIDIOC_EXPBUF, &request);
    buffer.planes.push_back({});
    buffer.exported.push_back(request.fd);
  }
  return buffer.exported;
}

void Stream::use_memory(uint32_t index, const std::vector<std::pair<void*, size_t>>& planes) {
  for (const auto& [memory, length] : planes) {
    buffers_.at(index)->planes.push_back({length, memory});
  }
}

void Stream::use_dmabufs(uint32_t index, const std::vector<int>& fds,
                         const std::vector<size_t>& sizes) {
  for (size_t i = 0; i < fds.size(); ++i) {
    buffers_.at(index)->planes.push_back({sizes.at(i), nullptr, fds[i]});
  }
}

std::vector<std::shared_ptr<Mapping>> Stream::map_dmabufs(uint32_t index,
                                                          const std::vector<int>& fds,
                                                          const std::vector<size_t>& sizes) {
  Buffer& buffer = *buffers_.at(index);
  for (size_t i = 0; i < fds.size(); ++i) {
    buffer.mappings.push_back(std::make_shared<Mapping>(fds[i], sizes.at(i), 0));
    buffer.synced.push_back(fds[i]);
  }
  return buffer.mappings;
}

void Stream::start() {
  for (uint32_t i = 0; i < count(); ++i) {
    if (const int code = queue(i)) fail("VIDIOC_QBUF", code);
  }
  auto type = static_cast<int>(type_);
  file_->call("VIDIOC_STREAMON", VIDIOC_STREAMON, &type);
  running_ = true;
}

int Stream::queue(uint32_t index) {
  const Buffer& buffer = *buffers_[index];
  Request request(*this, index);
  const auto fill = [&](auto& target, const Plane& plane) {
    if (memory_ == V4L2_MEMORY_USERPTR) {
      target.m.userptr = reinterpret_cast<unsigned long>(plane.memory);
    } else if (memory_ == V4L2_MEMORY_DMABUF) {
      target.m.fd = plane.fd;
    }
    target.length = static_cast<uint32_t>(plane.length);
  };
  if (multiplanar_) {
    request.buffer.length = static_cast<uint32_t>(buffer.planes.size());
    for (size_t i = 0; i < buffer.planes.size(); ++i) fill(request.planes[i], buffer.planes[i]);
  } else {
    fill(request.buffer, buffer.planes.at(0));
  }
  return file_->attempt(VIDIOC_QBUF, &request.buffer);
}

// A buffer that the driver did not take once may be taken now; if not, the error is told.
void Stream::queue_waiting() {
  for (uint32_t i = 0; i < count(); ++i) {
    if (!buffers_[i]->waiting) continue;
    if (const int code = queue(i)) fail("VIDIOC_QBUF", code);
    buffers_[i]->waiting = false;
  }
}

Wait Stream::next(int timeout_ms, Filled& filled) {
  std::shared_lock<std::shared_mutex> use(use_);
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    if (!running_) return Wait::Closed;
    queue_waiting();
    const Wait event = wait(milliseconds_until(end));
    if (event != Wait::Filled) return event;
    if (dequeue(filled)) return Wait::Filled;
  }
}

// Filled: there is something to dequeue, if only an error.
Wait Stream::wait(int timeout_ms) {
  pollfd events[] = {{file_->number(), POLLIN | POLLPRI, 0}, {wake_, POLLIN, 0}};
  const int count = ::poll(events, 2, timeout_ms);
  if (count < 0) return errno == EINTR ? Wait::Interrupted : (fail("poll", errno), Wait::Closed);
  if (events[1].revents) return Wait::Closed;
  if (events[0].revents & POLLPRI) take_events();
  return count ? Wait::Filled : Wait::TimedOut;
}

void Stream::take_events() {
  v4l2_event event{};
  while (!file_->attempt(VIDIOC_DQEVENT, &event)) {
    const bool told = event.type == V4L2_EVENT_SOURCE_CHANGE &&
                      (event.u.src_change.changes & V4L2_EVENT_SRC_CH_RESOLUTION);
    if (told && !has_same_signal()) fail("V4L2_EVENT_SOURCE_CHANGE", ESTALE);
  }
}

// Drivers tell of a signal that was lost and found too, and of the one that was there at first.
bool Stream::has_same_signal() const {
  v4l2_dv_timings now{}, used{};
  if (file_->attempt(VIDIOC_QUERY_DV_TIMINGS, &now)) return false;
  if (file_->attempt(VIDIOC_G_DV_TIMINGS, &used)) return false;
  const auto clock = [](const v4l2_dv_timings& one) {
    return static_cast<int64_t>(one.bt.pixelclock);
  };
  return now.bt.width == used.bt.width && now.bt.height == used.bt.height &&
         now.bt.interlaced == used.bt.interlaced &&
         std::abs(clock(now) - clock(used)) <= CLOCK_TOLERANCE;
}

bool Stream::dequeue(Filled& filled) {
  Request request(*this);
  v4l2_buffer& one = request.buffer;
  const int code = file_->attempt(VIDIOC_DQBUF, &one);
  if (code == EAGAIN) {
    pollfd event{file_->number(), POLLIN, 0};
    ::poll(&event, 1, 0);
    if (event.revents & POLLHUP) fail("poll", ENODEV);
    if (event.revents & POLLERR) fail("poll", EIO);
    return false;
  }
  if (code) fail("VIDIOC_DQBUF", code);
  Buffer& buffer = *buffers_.at(one.index);
  filled.index = one.index;
  filled.loan = ++loans_;
  filled.sequence = one.sequence;
  filled.error = (one.flags & V4L2_BUF_FLAG_ERROR) != 0;
  const bool monotonic =
      (one.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  filled.timestamp_ns =
      monotonic ? one.timestamp.tv_sec * 1'000'000'000LL + one.timestamp.tv_usec * 1000LL : 0;
  filled.bytes.clear();
  for (size_t i = 0; i < buffer.planes.size(); ++i) {
    filled.bytes.push_back(multiplanar_ ? request.planes[i].bytesused : one.bytesused);
  }
  buffer.loan = filled.loan;
  sync(buffer, true);
  return true;
}

void Stream::sync(const Buffer& buffer, bool start) const {
  dma_buf_sync request{};
  request.flags = DMA_BUF_SYNC_READ | (start ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END);
  for (const int fd : buffer.synced) ::ioctl(fd, DMA_BUF_IOCTL_SYNC, &request);
}

void Stream::give_back(uint32_t index, uint64_t loan) {
  std::shared_lock<std::shared_mutex> use(use_);
  if (!running_) return;
  Buffer& buffer = *buffers_.at(index);
  if (!buffer.loan.compare_exchange_strong(loan, 0)) return;
  sync(buffer, false);
  if (queue(index)) buffer.waiting = true;
}

uint32_t Stream::queued() const {
  return static_cast<uint32_t>(std::count_if(buffers_.begin(), buffers_.end(), [](const auto& one) {
    return one->loan == 0 && !one->waiting;
  }));
}

void Stream::close() {
  running_ = false;
  cancel();
  std::unique_lock<std::shared_mutex> alone(use_);
  if (!file_) return;
  auto type = static_cast<int>(type_);
  file_->attempt(VIDIOC_STREAMOFF, &type);  // an unplugged camera refuses, and has stopped
  for (auto& buffer : buffers_) {
    for (auto& mapping : buffer->mappings) mapping->detach(buffer->loan != 0);
    for (const int fd : buffer->exported) ::close(fd);
    buffer->mappings.clear();
    buffer->exported.clear();
  }
  v4l2_requestbuffers none{};
  none.type = type_;
  none.memory = memory_;
  file_->attempt(VIDIOC_REQBUFS, &none);
  file_.reset();
}

}  // namespace roadseg::v4l2
