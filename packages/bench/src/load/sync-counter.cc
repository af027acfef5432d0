// Preloaded into a server process: counts every fsync and fdatasync that it makes, whoever makes
// it. SYNC_COUNTER names a file of eight bytes that is mapped into memory, so that the count can be
// read at any time and costs the process one addition.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int (*sync_fn)(int);

static unsigned long *map_counter() {
  const char *path = getenv("SYNC_COUNTER");
  if (path == nullptr) abort();
  int fd = open(path, O_RDWR);
  void *at = mmap(nullptr, sizeof(unsigned long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || at == MAP_FAILED) abort();
  close(fd);
  return (unsigned long *)at;
}

static int count(sync_fn real, int fd) {
  static unsigned long *counter = map_counter();
  __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
  return real(fd);
}

extern "C" {

int fsync(int fd) {
  static sync_fn real = (sync_fn)dlsym(RTLD_NEXT, "fsync");
  return count(real, fd);
}

int fdatasync(int fd) {
  static sync_fn real = (sync_fn)dlsym(RTLD_NEXT, "fdatasync");
  return count(real, fd);
}
}
