// Preloaded into a process that runs a store: counts its syncs, copies the store's files at each,
// and fails calls on demand. Only files in SYNC_SHIM_DIR are looked at.
//
// SYNC_SHIM_LOG      one line per sync is appended: "sync <number> <file>"
// SYNC_SHIM_IMAGES   a directory <number>/ with the files as they are after each sync
// SYNC_SHIM_CONTROL  a file "<sync|write|read> <file> <errno> <once|always|hang>": what is to fail,
//                    or to hang for as long as the file is there. A file of "*" is any. While
//                    writes fail for want of room, the file system says that it has none.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

typedef int (*sync_fn)(int);
typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off64_t);
typedef ssize_t (*read_fn)(int, void *, size_t);
typedef ssize_t (*pread_fn)(int, void *, size_t, off64_t);
typedef int (*statfs_fn)(const char *, struct statfs64 *);
typedef int (*truncate_fn)(int, off64_t);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int image_number = 0;
static const char *const FILES[] = {"log.db", "log.db-wal", "state.db", "state.db-wal",
                                    "high-water", "log.db-journal", "state.db-journal"};

static read_fn real_read() {
  static read_fn fn = (read_fn)dlsym(RTLD_NEXT, "read");
  return fn;
}

static write_fn real_write() {
  static write_fn fn = (write_fn)dlsym(RTLD_NEXT, "write");
  return fn;
}

// The name within the store's directory, or null.
static const char *name_of(int fd, char *path, size_t size) {
  const char *directory = getenv("SYNC_SHIM_DIR");
  if (directory == nullptr || fd < 0) return nullptr;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length <= 0) return nullptr;
  path[length] = 0;
  size_t prefix = strlen(directory);
  if (strncmp(path, directory, prefix) != 0 || path[prefix] != '/') return nullptr;
  return path + prefix + 1;
}

struct order {
  char operation[16], target[64], times[16];
  int code;
};

static bool read_order(struct order *order) {
  const char *control = getenv("SYNC_SHIM_CONTROL");
  if (control == nullptr) return false;
  int fd = open(control, O_RDONLY);
  if (fd < 0) return false;
  char text[256];
  ssize_t length = real_read()(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = 0;
  return sscanf(text, "%15s %63s %d %15s", order->operation, order->target, &order->code,
                order->times) == 4;
}

static bool is_meant(const struct order *order, const char *operation, const char *name) {
  if (strcmp(order->operation, operation) != 0) return false;
  return strcmp(order->target, name) == 0 || strcmp(order->target, "*") == 0;
}

// What lies within a file has its place already: a full disk refuses none of it.
static bool has_place(const struct order *order, int fd, off64_t end) {
  struct stat found;
  if (order->code != ENOSPC || strcmp(order->target, "*") != 0) return false;
  return fstat(fd, &found) == 0 && end <= found.st_size;
}

static bool should_fail(const char *operation, const char *name, int fd = -1, off64_t end = 0) {
  struct order order;
  if (!read_order(&order) || !is_meant(&order, operation, name)) return false;
  if (fd >= 0 && has_place(&order, fd, end)) return false;
  if (strcmp(order.times, "hang") == 0) return false;
  if (strcmp(order.times, "once") == 0) unlink(getenv("SYNC_SHIM_CONTROL"));
  errno = order.code;
  return true;
}

// Outside of the lock: a disk that hangs in one call need not hang in others.
static void hang_if_told(const char *operation, const char *name) {
  struct order order;
  while (read_order(&order) && is_meant(&order, operation, name) &&
         strcmp(order.times, "hang") == 0) {
    usleep(1000);
  }
}

static void copy_file(const char *from, const char *to) {
  int in = open(from, O_RDONLY);
  if (in < 0) return;
  int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  char buffer[65536];
  ssize_t length;
  while ((length = real_read()(in, buffer, sizeof buffer)) > 0) {
    if (real_write()(out, buffer, (size_t)length) != length) abort();
  }
  close(in);
  close(out);
}

static void after_sync(const char *name) {
  image_number += 1;
  const char *directory = getenv("SYNC_SHIM_DIR");
  const char *images = getenv("SYNC_SHIM_IMAGES");
  char from[4096], to[4096];
  if (images != nullptr) {
    snprintf(to, sizeof to, "%s/%d", images, image_number);
    mkdir(to, 0700);
    for (const char *file : FILES) {
      snprintf(from, sizeof from, "%s/%s", directory, file);
      snprintf(to, sizeof to, "%s/%d/%s", images, image_number, file);
      copy_file(from, to);
    }
  }
  const char *log = getenv("SYNC_SHIM_LOG");
  if (log == nullptr) return;
  int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  int length = snprintf(to, sizeof to, "sync %d %s\n", image_number, name);
  if (real_write()(fd, to, (size_t)length) != length) abort();
  close(fd);
}

static int sync_with(sync_fn real, int fd) {
  char path[4096];
  const char *name = name_of(fd, path, sizeof path);
  if (name == nullptr) return real(fd);
  hang_if_told("sync", name);
  pthread_mutex_lock(&lock);
  int result = should_fail("sync", name) ? -1 : real(fd);
  int code = errno;
  if (result == 0) after_sync(name);
  pthread_mutex_unlock(&lock);
  errno = code;
  return result;
}

// Writers wait while an image is copied: an image is one instant.
static ssize_t pwrite_with(pwrite_fn real, int fd, const void *data, size_t size, off64_t at) {
  char path[4096];
  const char *name = name_of(fd, path, sizeof path);
  if (name == nullptr) return real(fd, data, size, at);
  pthread_mutex_lock(&lock);
  off64_t end = at + (off64_t)size;
  ssize_t result = should_fail("write", name, fd, end) ? -1 : real(fd, data, size, at);
  int code = errno;
  pthread_mutex_unlock(&lock);
  errno = code;
  return result;
}

extern "C" {

int fsync(int fd) {
  static sync_fn real = (sync_fn)dlsym(RTLD_NEXT, "fsync");
  return sync_with(real, fd);
}

int fdatasync(int fd) {
  static sync_fn real = (sync_fn)dlsym(RTLD_NEXT, "fdatasync");
  return sync_with(real, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  static pwrite_fn real = (pwrite_fn)dlsym(RTLD_NEXT, "pwrite64");
  return pwrite_with(real, fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  static pwrite_fn real = (pwrite_fn)dlsym(RTLD_NEXT, "pwrite64");
  return pwrite_with(real, fd, data, size, at);
}

ssize_t write(int fd, const void *data, size_t size) {
  char path[4096];
  const char *name = name_of(fd, path, sizeof path);
  if (name == nullptr) return real_write()(fd, data, size);
  pthread_mutex_lock(&lock);
  off64_t end = lseek(fd, 0, SEEK_CUR) + (off64_t)size;
  ssize_t result = should_fail("write", name, fd, end) ? -1 : real_write()(fd, data, size);
  int code = errno;
  pthread_mutex_unlock(&lock);
  errno = code;
  return result;
}

ssize_t read(int fd, void *data, size_t size) {
  char path[4096];
  const char *name = name_of(fd, path, sizeof path);
  if (name != nullptr) hang_if_told("read", name);
  if (name != nullptr && should_fail("read", name)) return -1;
  return real_read()(fd, data, size);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
  static pread_fn real = (pread_fn)dlsym(RTLD_NEXT, "pread64");
  char path[4096];
  const char *name = name_of(fd, path, sizeof path);
  if (name != nullptr) hang_if_told("read", name);
  if (name != nullptr && should_fail("read", name)) return -1;
  return real(fd, data, size, at);
}

ssize_t pread(int fd, void *data, size_t size, off_t at) { return pread64(fd, data, size, at); }

int statfs64(const char *path, struct statfs64 *found) {
  static statfs_fn real = (statfs_fn)dlsym(RTLD_NEXT, "statfs64");
  int result = real(path, found);
  struct order order;
  if (result == 0 && read_order(&order) && order.code == ENOSPC) found->f_bavail = 0;
  return result;
}

int statfs(const char *path, struct statfs *found) {
  return statfs64(path, (struct statfs64 *)found);
}

int ftruncate64(int fd, off64_t size) {
  static truncate_fn real = (truncate_fn)dlsym(RTLD_NEXT, "ftruncate64");
  pthread_mutex_lock(&lock);
  int result = real(fd, size);
  int code = errno;
  pthread_mutex_unlock(&lock);
  errno = code;
  return result;
}
}
