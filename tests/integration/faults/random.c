/* Has one request for sixteen random bytes fail, which makes the ids of sessions and commands: the next one once the file that
 * FAULTS names exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t getrandom(void *bytes, size_t length, unsigned int flags)
{
    static ssize_t (*real)(void *, size_t, unsigned int);
    static atomic_flag failed = ATOMIC_FLAG_INIT;
    const char *faults = getenv("FAULTS");
    if (real == NULL)
        real = (ssize_t(*)(void *, size_t, unsigned int))dlsym(RTLD_NEXT, "getrandom");
    if (length == 16 && faults != NULL && access(faults, F_OK) == 0 && !atomic_flag_test_and_set(&failed)) {
        errno = EIO;
        return -1;
    }
    return real(bytes, length, flags);
}
