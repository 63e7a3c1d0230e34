#include "decode.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "axis.h"
#include "isa.h"

namespace roadseg {

namespace {

constexpr int MIXED = -1;

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
    narrow_ = source >= WINDOW;
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

// The low-resolution argmax of the last two logit rows.
class WinnerRows {
 public:
  void start(const RowKernels& rows, const Logits& logits) {
    rows_ = &rows;
    logits_ = &logits;
    held_[0] = held_[1] = -1;
    for (auto& buffer : buffers_) buffer.resize(logits.width);
  }

  const uint8_t* row(int y) {
    uint8_t* buffer = buffers_[y % 2].data();
    if (held_[y % 2] != y) rows_->argmax_row(logit_row(y), logits_->width, buffer);
    held_[y % 2] = y;
    return buffer;
  }

  LogitRow logit_row(int y) const {
    return {logits_->values + static_cast<int64_t>(y) * logits_->width,
            static_cast<int64_t>(logits_->height) * logits_->width, logits_->classes};
  }

 private:
  const RowKernels* rows_ = nullptr;
  const Logits* logits_ = nullptr;
  int held_[2] = {-1, -1};
  std::vector<uint8_t> buffers_[2];
};

struct Workspace {
  ColumnTables columns;
  Axis rows;
  WinnerRows winners;
};

// The class that wins at every logit from first to last of both rows, or MIXED.
int common_winner(const uint8_t* top, const uint8_t* bottom, int first, int last) {
  const uint8_t winner = top[first];
  for (int x = first; x <= last; ++x) {
    if (top[x] != winner || bottom[x] != winner) return MIXED;
  }
  return winner;
}

// Output rows from begin to end lie between the same two logit rows.
struct Band {
  int begin, end;
  int top, bottom;
};

void decode_block(const RowKernels& rows, Workspace& work, const Band& band, int x, int n,
                  int classes, Plane mask, Plane confidence) {
  alignas(64) float top[MAX_CLASSES * BLOCK];
  alignas(64) float step[MAX_CLASSES * BLOCK];
  alignas(64) uint8_t ids[BLOCK], shares[BLOCK];
  rows.widen_block(work.winners.logit_row(band.top), work.winners.logit_row(band.bottom),
                   work.columns.block(x), top, step);
  for (int y = band.begin; y < band.end; ++y) {
    rows.argmax_block(top, step, work.rows.weight[y], classes, ids,
                      confidence.pixels ? shares : nullptr);
    std::memcpy(mask.pixels + y * mask.row_stride + x, ids, n);
    if (confidence.pixels) {
      std::memcpy(confidence.pixels + y * confidence.row_stride + x, shares, n);
    }
  }
}

void decode_band(const RowKernels& rows, Workspace& work, const Band& band, int classes,
                 Plane mask, Plane confidence, int width) {
  const uint8_t* top = work.winners.row(band.top);
  const uint8_t* bottom = work.winners.row(band.bottom);
  for (int x = 0; x < width; x += BLOCK) {
    const int n = std::min(BLOCK, width - x);
    // A class that is largest at all four corners is largest between them: no need to interpolate.
    const int winner =
        confidence.pixels ? MIXED
                          : common_winner(top, bottom, work.columns.first(x), work.columns.last(x));
    if (winner == MIXED) {
      decode_block(rows, work, band, x, n, classes, mask, confidence);
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
  work.winners.start(rows, logits);
  for (int begin = 0; begin < height;) {
    Band band{begin, begin + 1, work.rows.index[begin], work.rows.next(begin)};
    while (band.end < height && work.rows.index[band.end] == band.top) ++band.end;
    decode_band(rows, work, band, logits.classes, mask, confidence, width);
    begin = band.end;
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
