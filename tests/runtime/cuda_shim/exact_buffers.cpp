// Runs the kernels on buffers that end where the last byte is needed, for the sanitizers to watch.
// Prints how many launches there were.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda_kernels.h"

namespace {

int launches = 0;

void launched(const char* failure) {
  if (failure) std::exit(1);
  ++launches;
}

struct Size {
  int width, height;
};

template <class Value>
std::vector<Value> noise(int64_t size) {
  std::vector<Value> values(size);
  for (Value& value : values) value = static_cast<Value>(std::rand() % 256);
  return values;
}

void preprocess(int format, int bytes_a_pixel, int rows, Size source, Size out, int padding) {
  const int64_t stride = source.width * bytes_a_pixel + padding;
  const auto pixels = noise<uint8_t>(stride * rows - padding);
  std::vector<uint8_t> rgb(3 * out.width * out.height);
  launched(roadseg_cuda_preprocess(pixels.data(), format, source.width, source.height, stride,
                                   rgb.data(), out.width, out.height, nullptr));
}

void decode(int classes, Size source, Size out, int padding) {
  const auto logits = noise<float>(int64_t{classes} * source.width * source.height);
  const int64_t stride = out.width + padding;
  std::vector<uint8_t> mask(stride * out.height - padding), confidence(mask.size());
  for (uint8_t* shares : {static_cast<uint8_t*>(nullptr), confidence.data()}) {
    launched(roadseg_cuda_decode(logits.data(), classes, source.height, source.width, mask.data(),
                                 out.width, out.height, stride, shares, nullptr));
  }
}

}  // namespace

int main() {
  const Size sources[] = {{2, 2}, {16, 8}, {34, 18}, {130, 50}};
  const Size outs[] = {{1, 1}, {5, 3}, {16, 8}, {77, 41}, {136, 72}};
  for (const Size source : sources) {
    for (const Size out : outs) {
      for (const int padding : {0, 1, 2, 12}) {
        preprocess(0, 3, source.height, source, out, padding);
        preprocess(1, 3, source.height, {source.width - 1, source.height}, out, padding);
        preprocess(2, 1, source.height * 3 / 2, source, out, padding);
        preprocess(3, 2, source.height, source, out, padding);
        for (const int classes : {2, 11, 32}) decode(classes, source, out, padding);
      }
    }
  }
  std::printf("%d\n", launches);
}
