/*
 * Random ids come from the kernel, so that they cannot be guessed or meet again.
 */
#include "service/request_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

bool request_id_is_sane(const char *id) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (!id) return false;
    size_t n = strnlen(id, REQUEST_ID_MAX + 1);
    return n >= 1 && n <= REQUEST_ID_MAX && strspn(id, allowed) == n;
}

uint64_t random_bits(void) {
    uint64_t bits;
    while (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        if (errno != EINTR)
            return (uint64_t)clock_now() * 0x9E3779B97F4A7C15u; /* a kernel without getrandom */
    return bits;
}

void request_id_choose(char out[REQUEST_ID_MAX + 1], const char *own) {
    if (request_id_is_sane(own)) {
        memcpy(out, own, strlen(own) + 1);
        return;
    }
    snprintf(out, REQUEST_ID_MAX + 1, "%016llx%016llx", (unsigned long long)random_bits(),
             (unsigned long long)random_bits());
}
