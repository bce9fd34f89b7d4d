/*
 * device.h - on which device a test runs that may run on any: DEVICE in the environment, as for the
 * program, so that it never becomes another one in silence.
 */
#ifndef TESTS_SUPPORT_DEVICE_H
#define TESTS_SUPPORT_DEVICE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* For struct compute_options and struct firered_options; NULL: none was asked for. */
static inline const char *test_device(void) {
    return getenv("DEVICE");
}

static inline bool test_device_is_cuda(void) {
    return test_device() && strcmp(test_device(), "cuda") == 0;
}

#endif
