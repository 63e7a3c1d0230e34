#include "decode.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "axis.h"
#include "isa.h"

namespace roadseg {

namespace {

int rounded_up(int value, int step) { return (value + step - 1) / step * step; }

// The tables of Columns for a whole row, padded to full blocks by repeating the last column.
class ColumnTables {
 public:
  void prepare(int source, int width) {
    if (!axis_.prepare(source, width)) return;
    const int padded = rounded_up(width, BLOCK);
    base_.resize(padded / WINDOW);
    left_.resize(padded);
    right_.resize(padded);
    weight_.resize(padded);
    narrow_ = true;
    for (int x = 0; x < padded; ++x) {
      const int column = std::min(x, width - 1);
      int& base = base_[x / WINDOW];
      if (x % WINDOW == 0) base = std::max(0, std::min(axis_.index[column], source - WINDOW));
      left_[x] = axis_.index[column] - base;
      right_[x] = axis_.next(column) - base;
      weight_[x] = axis_.weight[column];
      narrow_ = narrow_ && right_[x] < WINDOW;
    }
  }

  Columns block(int x) const {
    return {&base_[x / WINDOW], &left_[x], &right_[x], &weight_[x], narrow_};
  }
  int first(int x) const { return axis_.index[x]; }
  int last(int x) const { return axis_.next(std::min(x + BLOCK, axis_.size()) - 1); }

 private:
  Axis axis_;
  std::vector<int32_t> base_, left_, right_;
  std::vector<float> weight_;
  bool narrow_ = false;
};

// The last two logit rows and their winners. The rows are copied side by side: in the tensor those
// of the classes are often a large power of two apart, and would evict each other from the cache.
class LogitRows {
 public:
  void start(const RowKernels& rows, const Logits& logits) {
    rows_ = &rows;
    logits_ = &logits;
    stride_ = rounded_up(logits.width, BLOCK);
    for (Held& held : held_) {
      held.y = -1;
      held.values.resize(static_cast<size_t>(logits.classes) * stride_);
      held.ids.resize(stride_);
      held.margins.resize(stride_);
    }
    common_.resize(stride_);
  }

  // Valid until a row of the same parity is asked for.
  LogitRow row(int y) {
    Held& held = held_[y % 2];
    if (held.y != y) copy(y, held.values.data());
    held.has_winners &= held.y == y;
    held.y = y;
    return {held.values.data(), stride_, logits_->classes};
  }

  // The class that wins at each logit of both rows, or MIXED; valid until asked for again.
  const uint8_t* common(int top, int bottom) {
    rows_->common_row(winners(top), winners(bottom), logits_->width, common_.data());
    return common_.data();
  }

 private:
  struct Held {
    int y;
    bool has_winners;
    float peak;
    std::vector<float> values;
    std::vector<int32_t> ids;
    std::vector<float> margins;
  };

  RowWinners winners(int y) {
    Held& held = held_[y % 2];
    RowWinners found{held.ids.data(), held.margins.data(), held.peak};
    if (!held.has_winners) {
      rows_->argmax_row(row(y), logits_->width, found);
      held.peak = found.peak;
      held.has_winners = true;
    }
    return found;
  }

  void copy(int y, float* to) const {
    const int64_t plane = static_cast<int64_t>(logits_->height) * logits_->width;
    const float* from = logits_->values + static_cast<int64_t>(y) * logits_->width;
    for (int c = 0; c < logits_->classes; ++c, from += plane, to += stride_) {
      std::copy_n(from, logits_->width, to);
      std::fill(to + logits_->width, to + stride_, 0.0f);
    }
  }

  const RowKernels* rows_ = nullptr;
  const Logits* logits_ = nullptr;
  int64_t stride_ = 0;
  Held held_[2];
  std::vector<uint8_t> common_;
};

struct Workspace {
  ColumnTables columns;
  Axis rows;
  LogitRows logits;
};

// The class that wins from first to last, or MIXED.
uint8_t block_winner(const uint8_t* common, int first, int last) {
  for (int x = first + 1; x <= last; ++x) {
    if (common[x] != common[first]) return MIXED;
  }
  return common[first];
}

// Output rows from begin to end lie between the same two logit rows.
struct Band {
  int begin, end;
  LogitRow top, bottom;
};

void decode_block(const RowKernels& rows, const Workspace& work, const Band& band, int x, int n,
                  Plane mask, Plane confidence) {
  alignas(64) float top[MAX_CLASSES * BLOCK];
  alignas(64) float step[MAX_CLASSES * BLOCK];
  alignas(64) uint8_t ids[BLOCK], shares[BLOCK];
  rows.widen_block(band.top, band.bottom, work.columns.block(x), top, step);
  for (int y = band.begin; y < band.end; ++y) {
    rows.argmax_block(top, step, work.rows.weight[y], band.top.classes, ids,
                      confidence.pixels ? shares : nullptr);
    std::memcpy(mask.pixels + y * mask.row_stride + x, ids, n);
    if (confidence.pixels) {
      std::memcpy(confidence.pixels + y * confidence.row_stride + x, shares, n);
    }
  }
}

// common: the winners of the band's two rows; null when every pixel is to be computed.
void decode_band(const RowKernels& rows, const Workspace& work, const Band& band,
                 const uint8_t* common, Plane mask, Plane confidence, int width) {
  for (int x = 0; x < width; x += BLOCK) {
    const int n = std::min(BLOCK, width - x);
    const uint8_t winner =
        common ? block_winner(common, work.columns.first(x), work.columns.last(x)) : MIXED;
    if (winner == MIXED) {
      decode_block(rows, work, band, x, n, mask, confidence);
      continue;
    }
    for (int y = band.begin; y < band.end; ++y) {
      std::memset(mask.pixels + y * mask.row_stride + x, winner, n);
    }
  }
}

}  // namespace

void decode(const Logits& logits, Plane mask, Plane confidence, int width, int height) {
  const RowKernels& rows = kernels();
  thread_local Workspace work;
  work.columns.prepare(logits.width, width);
  work.rows.prepare(logits.height, height);
  work.logits.start(rows, logits);
  for (int begin = 0, end; begin < height; begin = end) {
    const int top = work.rows.index[begin];
    const int bottom = work.rows.next(begin);
    for (end = begin + 1; end < height && work.rows.index[end] == top;) ++end;
    const Band band{begin, end, work.logits.row(top), work.logits.row(bottom)};
    const uint8_t* common = confidence.pixels ? nullptr : work.logits.common(top, bottom);
    decode_band(rows, work, band, common, mask, confidence, width);
  }
}

void count_ids(const uint8_t* mask, int64_t row_stride, int width, int height,
               int64_t counts[256]) {
  // Neighbours are mostly equal: four tables keep one increment from waiting for the last.
  int64_t partial[4][256] = {};
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = mask + y * row_stride;
    int x = 0;
    for (; x + 4 <= width; x += 4) {
      for (int k = 0; k < 4; ++k) ++partial[k][row[x + k]];
    }
    for (; x < width; ++x) ++partial[0][row[x]];
  }
  for (int id = 0; id < 256; ++id) {
    counts[id] += partial[0][id] + partial[1][id] + partial[2][id] + partial[3][id];
  }
}

}  // namespace roadseg
