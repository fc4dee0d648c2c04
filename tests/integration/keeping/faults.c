/* Has writes to the record fail, as a disk does: while the file that FAULTS names exists, each fails with the number in it; with
 * 0 in it, each waits until the file is gone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_of_the_record(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, "opspilot.db") != NULL;
}

static int fault(int fd)
{
    int number = 0;
    if (!is_of_the_record(fd))
        return 0;
    for (;;) {
        FILE *file = fopen(getenv("FAULTS"), "r");
        if (file == NULL)
            return 0;
        if (fscanf(file, "%d", &number) != 1)
            number = 0;
        fclose(file);
        if (number != 0)
            return number;
        usleep(10000);
    }
}

#define UNLESS_FAULTY(name, type, parameters, arguments)              \
    type name parameters                                              \
    {                                                                 \
        static type(*real) parameters;                                \
        if (real == NULL)                                             \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);       \
        int number = fault(fd);                                       \
        if (number != 0) {                                            \
            errno = number;                                           \
            return -1;                                                \
        }                                                             \
        return real arguments;                                        \
    }

UNLESS_FAULTY(pwrite, ssize_t, (int fd, const void *bytes, size_t length, off_t at), (fd, bytes, length, at))
UNLESS_FAULTY(pwrite64, ssize_t, (int fd, const void *bytes, size_t length, off64_t at), (fd, bytes, length, at))
UNLESS_FAULTY(write, ssize_t, (int fd, const void *bytes, size_t length), (fd, bytes, length))
UNLESS_FAULTY(fsync, int, (int fd), (fd))
UNLESS_FAULTY(fdatasync, int, (int fd), (fd))
