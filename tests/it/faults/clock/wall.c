/* A wall clock that a test can set: built by wall.rs and loaded into a server with LD_PRELOAD.
 *
 * CLOCK_OFFSET names a file of eight bytes, which is mapped: how many microseconds the wall clock is
 * ahead of the machine's. Monotonic clocks are left alone, as they are when a clock is set.
 *
 * It asks the kernel and not the next library, since looking that up allocates, and an allocator that
 * reads the clock while it is being made never ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MICROS_PER_SEC INT64_C(1000000)

static _Atomic int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path == NULL ? -1 : open(path, O_RDONLY);
    if (file < 0) abort();
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) abort();
    offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (failed || !is_wall || offset == NULL) return failed;
    int64_t micros = now->tv_sec * MICROS_PER_SEC + now->tv_nsec / 1000 + *offset;
    now->tv_sec = micros / MICROS_PER_SEC;
    now->tv_nsec = micros % MICROS_PER_SEC * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *stored) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stored != NULL) *stored = now.tv_sec;
    return now.tv_sec;
}
