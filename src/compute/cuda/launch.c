/*
 * Kernels by name, and the driver's answer to each call turned into a workspace's failure or the
 * device's end.
 */
#include <stdio.h>
#include <string.h>

#include "compute/cuda/cuda.h"
#include "compute/cuda/kernels/embed.h"

static const struct {
    const char *name;
    unsigned threads;
} KERNELS[] = {
#define CUDA_KERNEL_ROW(NAME, THREADS) [KERNEL_##NAME] = {#NAME, THREADS},
    CUDA_KERNELS(CUDA_KERNEL_ROW)
#undef CUDA_KERNEL_ROW
};

enum { PLAIN_SHARED = 48 << 10 }; /* a kernel that wants more at launch has to say so */

bool cuda_ok(struct cuda *d, struct workspace *w, cu_result r, const char *what) {
    if (r == CU_SUCCESS) return true;
    struct driver_words words = driver_words(d->driver, r);
    char sentence[400];
    if (r == CU_DEVICE_UNAVAILABLE || r == CU_UNKNOWN)
        snprintf(sentence, sizeof sentence, "card %d is gone: %s, at %s", d->number, words.text,
                 what);
    else
        snprintf(sentence, sizeof sentence, "card %d failed: %s, at %s%s", d->number, words.text,
                 what,
                 r == CU_LAUNCH_TIMEOUT ? "; the watchdog of a display ends kernels that take long"
                                        : "");
    if (!w || driver_is_lost(r)) compute_lose(&d->base, sentence);
    if (!w) return false;
    if (driver_is_lost(r))
        workspace_fail(w, STATUS_DEVICE, "%s", sentence);
    else if (r == CU_OUT_OF_MEMORY)
        workspace_fail(w, STATUS_NO_MEMORY, "card %d has no memory for %s", d->number, what);
    else
        workspace_fail(w, STATUS_INTERNAL, "card %d refused %s: %s", d->number, what, words.text);
    return false;
}

bool cuda_enter(struct cuda *d, struct workspace *w) {
    return cuda_is_alive(d) && cuda_ok(d, w, d->driver->context_use(d->context), "its context");
}

static enum status load_module(struct cuda *d, struct error *err) {
    const struct cuda_driver *driver = d->driver;
    const char *chip = d->kernels_name;
    cu_result r = driver->module_load(&d->module, firered_cuda_fatbin, 0, NULL, NULL);
    bool ptx = r == CU_NO_BINARY;
    if (ptx) {
        r = driver->module_load(&d->module, firered_cuda_ptx, 0, NULL, NULL);
        strncat(d->kernels_name, "-ptx", sizeof d->kernels_name - strlen(chip) - 1);
    }
    if (r == CU_SUCCESS) return STATUS_OK;
    d->module = NULL;
    struct driver_words words = driver_words(driver, r);
    if (r == CU_OUT_OF_MEMORY)
        return fail(err, STATUS_NO_MEMORY, "card %d has no memory for the kernels", d->number);
    if (r == CU_UNSUPPORTED_PTX || r == CU_NO_BINARY)
        return fail(err, STATUS_INVALID,
                    "the NVIDIA driver cannot compile the kernels for card %d: %s; update it",
                    d->number, words.text);
    return fail(err, STATUS_INTERNAL, "card %d does not take the kernels: %s", d->number,
                words.text);
}

enum status cuda_load_kernels(struct cuda *d, struct error *err) {
    enum status s = load_module(d, err);
    for (int i = 0; i < KERNEL_COUNT && s == STATUS_OK; i++) {
        cu_result r = d->driver->module_function(&d->kernels[i], d->module, KERNELS[i].name);
        if (r != CU_SUCCESS)
            s = fail(err, STATUS_INTERNAL, "the kernel %s is missing: %s", KERNELS[i].name,
                     driver_words(d->driver, r).text);
    }
    return s;
}

void cuda_launch(struct workspace *w, enum cuda_kernel kernel, struct grid grid, void *args) {
    struct cuda *d = cuda_of(w->compute);
    const struct cuda_driver *driver = d->driver;
    const char *name = KERNELS[kernel].name;
    cu_function f = d->kernels[kernel];
    if (grid.x < 1 || grid.y < 1 || !workspace_is_live(w) || !cuda_enter(d, w)) return;
    if (grid.x > INT32_MAX || grid.y > UINT16_MAX) {
        workspace_fail(w, STATUS_INTERNAL, "an operation is too large for the kernel %s", name);
        return;
    }
    if (grid.shared > PLAIN_SHARED &&
        !cuda_ok(d, w, driver->function_set(f, CU_FUNCTION_DYNAMIC_SHARED, (int)grid.shared), name))
        return;
    cuda_ok(d, w,
            driver->launch(f, (unsigned)grid.x, (unsigned)grid.y, 1, KERNELS[kernel].threads, 1, 1,
                           (unsigned)grid.shared, cuda_lane(w)->stream, (void *[]){args}, NULL),
            name);
}
