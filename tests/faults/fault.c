/* Makes one call of a process fail: LD_PRELOAD this with CANIRUN_FAULT="FUNCTION:N:HOW". From the moment main starts, the N-th
 * call of FUNCTION fails: HOW is the number of an errno, "eof" (read and pread find the end of the file) or "always" with ENOMEM
 * from that call on (malloc). When it has happened the file CANIRUN_FAULT_FIRED exists. The file CANIRUN_OPENED gets the name of
 * every file that is opened, one a line. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char function[32];
static long countdown;
static int how; /* errno, 0 = end of file */
static int for_ever;
static int armed;

static void fired(void)
{
  const char* path = getenv("CANIRUN_FAULT_FIRED");
  if (path == NULL) return;
  const long fd = syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd >= 0) syscall(SYS_close, fd);
}

/* Does this call fail? Then errno is set. */
static int fails(const char* name)
{
  if (!armed || strcmp(name, function) != 0) return 0;
  const long left = __atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED);
  if (left > 0 || (left < 0 && !for_ever)) return 0;
  if (left == 0) fired();
  errno = how;
  return 1;
}

#define WRAP(result, name, parameters, arguments, failure)          \
  result name parameters                                            \
  {                                                                 \
    static result(*next) parameters;                                \
    if (next == NULL) *(void**)&next = dlsym(RTLD_NEXT, #name);     \
    return fails(#name) ? (failure) : next arguments;               \
  }

/* What is left of a read whose file has shrunk is nothing, and no error. */
#define FAILED_READ (how == 0 ? 0 : -1)
WRAP(ssize_t, read, (int fd, void* to, size_t n), (fd, to, n), FAILED_READ)
WRAP(ssize_t, pread, (int fd, void* to, size_t n, off_t at), (fd, to, n, at), FAILED_READ)
WRAP(ssize_t, pread64, (int fd, void* to, size_t n, off64_t at), (fd, to, n, at), FAILED_READ)
WRAP(ssize_t, write, (int fd, const void* from, size_t n), (fd, from, n), -1)
WRAP(int, fstat, (int fd, struct stat* s), (fd, s), -1)
WRAP(int, stat, (const char* path, struct stat* s), (path, s), -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(int, rename, (const char* from, const char* to), (from, to), -1)
WRAP(int, mkostemp, (char* name, int flags), (name, flags), -1)
WRAP(int, mkostemp64, (char* name, int flags), (name, flags), -1)
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags), -1)
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout), -1)
WRAP(DIR*, opendir, (const char* path), (path), NULL)
WRAP(char*, realpath, (const char* path, char* resolved), (path, resolved), NULL)
WRAP(ssize_t, writev, (int fd, const struct iovec* parts, int n), (fd, parts, n), -1)
WRAP(pid_t, waitpid, (pid_t pid, int* status, int options), (pid, status, options), -1)
WRAP(int, posix_spawn,
     (pid_t * pid, const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
      char* const arguments[], char* const environment[]),
     (pid, path, actions, attributes, arguments, environment), how)

/* A failed close has closed all the same. */
int close(int fd)
{
  const int failed = fails("close");
  const int result = (int)syscall(SYS_close, fd);
  if (!failed) return result;
  errno = how;
  return -1;
}

static void note_opened(const char* path)
{
  const char* list = getenv("CANIRUN_OPENED");
  if (!armed || list == NULL) return;
  const long fd = syscall(SYS_openat, AT_FDCWD, list, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return;
  const struct iovec parts[] = {{(void*)path, strlen(path)}, {(void*)"\n", 1}};
  syscall(SYS_writev, fd, parts, 2);
  syscall(SYS_close, fd);
}

static int open_with(const char* name, const char* path, int flags, mode_t mode)
{
  note_opened(path);
  return fails(name) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
#define WRAP_FOPEN(name)                                            \
  FILE* name(const char* path, const char* mode)                    \
  {                                                                 \
    static FILE* (*next)(const char*, const char*);                 \
    if (next == NULL) *(void**)&next = dlsym(RTLD_NEXT, #name);     \
    note_opened(path);                                              \
    return fails(#name) ? NULL : next(path, mode);                  \
  }
WRAP_FOPEN(fopen)
WRAP_FOPEN(fopen64)
#define WRAP_OPEN(name, more)                                       \
  int name(const char* path, int flags, ...)                        \
  {                                                                 \
    va_list list;                                                   \
    va_start(list, flags);                                          \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                   \
    return open_with("open", path, flags | (more), mode);           \
  }
WRAP_OPEN(open, 0)
WRAP_OPEN(open64, O_LARGEFILE)

#ifndef CANIRUN_SANITIZED /* where the sanitizer's own allocator must see every call */
extern void* __libc_malloc(size_t size);
void* malloc(size_t size) { return fails("malloc") ? NULL : __libc_malloc(size); }
#endif

int openat(int folder, const char* path, int flags, ...)
{
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0;
  va_end(list);
  note_opened(path);
  return fails("openat") ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

static int (*real_main)(int, char**, char**);
static int armed_main(int argc, char** argv, char** environment)
{
  armed = 1;
  const int status = real_main(argc, argv, environment);
  armed = 0;
  return status;
}

typedef int (*start_function)(int (*)(int, char**, char**), int, char**, void (*)(void), void (*)(void), void (*)(void), void*);
int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void* stack_end)
{
  const char* plan = getenv("CANIRUN_FAULT");
  char kind[16] = "";
  if (plan != NULL && sscanf(plan, "%31[^:]:%ld:%15s", function, &countdown, kind) == 3) {
    for_ever = strcmp(kind, "always") == 0;
    how = for_ever ? ENOMEM : strcmp(kind, "eof") == 0 ? 0 : atoi(kind);
  } else {
    countdown = 0;
  }
  real_main = main;
  start_function next;
  *(void**)&next = dlsym(RTLD_NEXT, "__libc_start_main");
  return next(armed_main, argc, argv, init, fini, rtld_fini, stack_end);
}
