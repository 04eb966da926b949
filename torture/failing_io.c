/* Makes the n-th of some calls fail, counted over all processes of a run: to be preloaded (ld.so(8), LD_PRELOAD).

   FAIL_CALLS   names with commas, e.g. fsync,fdatasync,syncfs
   FAIL_BELOW   only calls on files below this folder count
   FAIL_ERRNO   what the call fails with
   FAIL_AT      which of them fails, from 1 on
   FAIL_COUNT   a file of 8 bytes that holds the count, for all processes */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static const char *calls, *below;
static long at;
static int number;
static _Atomic long *count;

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("FAIL_COUNT");
    calls = getenv("FAIL_CALLS");
    below = getenv("FAIL_BELOW");
    if (!file || !calls || !below || !getenv("FAIL_AT") || !getenv("FAIL_ERRNO"))
        return;
    at = atol(getenv("FAIL_AT"));
    number = atoi(getenv("FAIL_ERRNO"));
    int fd = open(file, O_RDWR | O_CLOEXEC);
    void *place = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (place == MAP_FAILED)
        abort(); /* better no run at all than one that is not made to fail */
    count = place;
}

static int is_named(const char *name)
{
    size_t length = strlen(name);
    for (const char *each = calls; each; each = strchr(each, ','), each = each ? each + 1 : NULL)
        if (!strncmp(each, name, length) && (each[length] == ',' || !each[length]))
            return 1;
    return 0;
}

static int fails(const char *name, int fd)
{
    char link[64], path[PATH_MAX];
    if (!count || !is_named(name))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    size_t wanted = strlen(below);
    if (length < (ssize_t)wanted || strncmp(path, below, wanted))
        return 0;
    if (atomic_fetch_add(count, 1) + 1 != at)
        return 0;
    errno = number;
    return 1;
}

#define WRAP(type, name, parameters, ...)                     \
    type name parameters                                      \
    {                                                         \
        static type(*next) parameters;                        \
        if (!next)                                            \
            next = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        return fails(#name, fd) ? -1 : next(__VA_ARGS__);     \
    }

WRAP(int, fsync, (int fd), fd)
WRAP(int, fdatasync, (int fd), fd)
WRAP(int, syncfs, (int fd), fd)
WRAP(int, ftruncate64, (int fd, off64_t size), fd, size)
WRAP(int, fallocate64, (int fd, int mode, off64_t from, off64_t size), fd, mode, from, size)
WRAP(ssize_t, copy_file_range, (int in, off64_t *from, int fd, off64_t *to, size_t size, unsigned flags), in, from, fd,
     to, size, flags)
WRAP(ssize_t, write, (int fd, const void *data, size_t size), fd, data, size)
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t from), fd, data, size, from)
