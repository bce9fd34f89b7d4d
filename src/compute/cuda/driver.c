/*
 * libcuda.so.1 is opened by dlopen and its functions are looked up by name, once for the process.
 * What the driver says when it cannot be used becomes a sentence with a remedy here.
 */
#include "compute/cuda/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { OLDEST_DRIVER = 13000 }; /* it reads the PTX that nvcc 13 writes */

static const struct {
    const char *name;
    size_t offset; /* of its member */
} calls[] = {
#define DRIVER_NAME(FIELD, NAME, ARGUMENTS) {#NAME, offsetof(struct cuda_driver, FIELD)},
    DRIVER_CALLS(DRIVER_NAME)
#undef DRIVER_NAME
};

struct driver_words driver_words(const struct cuda_driver *d, cu_result r) {
    struct driver_words words;
    const char *name = NULL, *text = NULL;
    if (d->error_name(r, &name) != CU_SUCCESS) name = NULL;
    if (d->error_text(r, &text) != CU_SUCCESS) text = NULL;
    snprintf(words.text, sizeof words.text, "%s (%s, %d)", text ? text : "unknown error",
             name ? name : "no name", r);
    return words;
}

bool driver_is_lost(cu_result r) {
    switch (r) {
    case CU_DEVICE_UNAVAILABLE:
    case CU_ECC_UNCORRECTABLE:
    case CU_NVLINK_UNCORRECTABLE:
    case CU_ILLEGAL_ADDRESS:
    case CU_LAUNCH_TIMEOUT:
    case CU_UNKNOWN: return true;
    default: return r >= CU_HARDWARE_STACK_ERROR && r <= CU_LAUNCH_FAILED;
    }
}

static enum status look_up(struct cuda_driver *d, struct error *err) {
    d->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!d->library)
        return fail(
            err, STATUS_INVALID,
            "no NVIDIA driver here (%s); install driver R580 or newer, or run the container "
            "with --gpus all",
            dlerror());
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        void *function = dlsym(d->library, calls[i].name);
        if (!function)
            return fail(err, STATUS_INVALID,
                        "the NVIDIA driver has no %s; this program needs R580 (CUDA 13.0) or newer",
                        calls[i].name);
        memcpy((char *)d + calls[i].offset, &function, sizeof function);
    }
    return STATUS_OK;
}

static enum status start(const struct cuda_driver *d, struct error *err) {
    int version;
    cu_result r = d->version(&version);
    if (r == CU_SUCCESS && version < OLDEST_DRIVER)
        return fail(err, STATUS_INVALID,
                    "the NVIDIA driver is for CUDA %d.%d; this program needs R580 (CUDA 13.0) or "
                    "newer",
                    version / 1000, version % 1000 / 10);
    if (r == CU_SUCCESS) r = d->init(0);
    switch (r) {
    case CU_SUCCESS: return STATUS_OK;
    case CU_NO_DEVICE:
        return fail(err, STATUS_INVALID,
                    "no NVIDIA card is visible; CUDA_VISIBLE_DEVICES or the container may hide it");
    case CU_SYSTEM_NOT_READY:
        return fail(err, STATUS_INVALID,
                    "the NVIDIA cards are not ready: %s; is the fabric manager running?",
                    driver_words(d, r).text);
    case CU_SYSTEM_DRIVER_MISMATCH:
        return fail(err, STATUS_INVALID,
                    "libcuda and the NVIDIA kernel module are of different versions; reboot, or "
                    "load the module again");
    default:
        return fail(err, STATUS_INVALID, "the NVIDIA driver does not start: %s",
                    driver_words(d, r).text);
    }
}

enum status driver_open(const struct cuda_driver **out, struct error *err) {
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    static struct cuda_driver driver;
    static bool opened;
    enum status s = STATUS_OK;
    pthread_mutex_lock(&opening);
    if (!opened) {
        s = look_up(&driver, err);
        if (s == STATUS_OK) s = start(&driver, err);
        opened = s == STATUS_OK;
    }
    pthread_mutex_unlock(&opening);
    *out = &driver;
    return s;
}
