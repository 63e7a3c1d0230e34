// Read masks of `seg-run --camera 0 --ring road`: cc -O2 read_ring.c -o read_ring && ./read_ring road
// See docs/ring.md.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct header {
  char magic[8];
  uint32_t version, header_bytes, slots, slot_header_bytes;
  uint64_t slot_bytes;
  uint32_t width, height, classes;
  char format[4];
  uint64_t frame_offset, frame_bytes, written;
  uint32_t closed;
};
struct slot {
  uint64_t lock, sequence;
  int64_t timestamp_ns, age_ns;
};

int main(int argc, char** argv) {
  struct stat status;
  int file = argc == 2 ? shm_open(argv[1], O_RDONLY, 0) : -1;
  if (file < 0 || fstat(file, &status)) return perror("ring"), 1;
  char* ring = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, file, 0);
  if (ring == MAP_FAILED || memcmp(ring, "RSEGRING", 8)) return fputs("not a ring\n", stderr), 1;
  volatile struct header* header = (volatile struct header*)ring;
  const size_t pixels = (size_t)header->width * header->height;
  uint8_t* mask = malloc(pixels);

  for (uint64_t seen = 0; !header->closed;) {
    uint64_t written = __atomic_load_n(&header->written, __ATOMIC_ACQUIRE);
    if (written == seen) { usleep(1000); continue; }
    struct slot* slot = (struct slot*)(ring + header->header_bytes +
                                       (written - 1) % header->slots * header->slot_bytes);
    uint64_t before = __atomic_load_n(&slot->lock, __ATOMIC_ACQUIRE);
    memcpy(mask, (char*)slot + header->slot_header_bytes, pixels);
    uint64_t sequence = slot->sequence;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 || before != __atomic_load_n(&slot->lock, __ATOMIC_RELAXED)) continue;
    seen = written;

    size_t counts[256] = {0};
    for (size_t i = 0; i < pixels; i++) counts[mask[i]]++;
    printf("%llu", (unsigned long long)sequence);
    for (int id = 0; id < 256; id++) if (counts[id]) printf(" %d:%zu", id, counts[id]);
    putchar('\n');
    fflush(stdout);
  }
  return 0;
}
