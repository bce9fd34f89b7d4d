/*
 * driver.h - NVIDIA's driver, found when the program runs.
 *
 * No header and no library of NVIDIA's is needed to build: the few types and constants of the driver's
 * interface that are used stand here (they are its binary interface and do not change), and the
 * functions come from libcuda.so.1 by name.  DRIVER_CALLS is the whole list; a test compares it with
 * the names that the toolkit's stub library exports.
 *
 * Where a function has a newer version of itself (_v2) the name says which: the plain name is the one
 * of ten years ago, with 32-bit sizes.
 */
#ifndef CUDA_DRIVER_H
#define CUDA_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

typedef int cu_result;
typedef int cu_device;
typedef uint64_t cu_pointer;
typedef struct cu_context *cu_context;
typedef struct cu_module *cu_module;
typedef struct cu_function *cu_function;
typedef struct cu_stream *cu_stream;
typedef struct cu_event *cu_event;

enum {
    CU_SUCCESS = 0,
    CU_OUT_OF_MEMORY = 2,
    CU_DEVICE_UNAVAILABLE = 46, /* another process has it for itself, or it is gone */
    CU_NO_DEVICE = 100,
    CU_INVALID_DEVICE = 101,
    CU_NO_BINARY = 209, /* no code in it for this chip */
    CU_ECC_UNCORRECTABLE = 214,
    CU_INVALID_PTX = 218,
    CU_NVLINK_UNCORRECTABLE = 220,
    CU_UNSUPPORTED_PTX = 222,
    CU_NOT_READY = 600,
    CU_ILLEGAL_ADDRESS = 700,
    CU_LAUNCH_TIMEOUT = 702,
    CU_HARDWARE_STACK_ERROR = 714, /* and what follows, to CU_LAUNCH_FAILED */
    CU_LAUNCH_FAILED = 719,
    CU_SYSTEM_NOT_READY = 802,
    CU_SYSTEM_DRIVER_MISMATCH = 803,
    CU_UNKNOWN = 999,

    CU_ATTRIBUTE_MAJOR = 75,
    CU_ATTRIBUTE_MINOR = 76,

    CU_FUNCTION_DYNAMIC_SHARED = 8,

    CU_STREAM_NON_BLOCKING = 1,
    CU_EVENT_DEFAULT = 0,
    CU_EVENT_NO_TIMING = 2,

    CU_MEMORY_HOST = 1,
    CU_MEMORY_DEVICE = 2,
};

/* A rectangle of bytes from one place to another.  Of each side the address that its type names
 * counts; arrays are not used here. */
struct cu_copy {
    size_t from_x, from_y;
    int from_type;
    const void *from_host;
    cu_pointer from_device;
    void *from_array;
    size_t from_pitch;
    size_t to_x, to_y;
    int to_type;
    void *to_host;
    cu_pointer to_device;
    void *to_array;
    size_t to_pitch;
    size_t width, height;
};

/* clang-format off */
#define DRIVER_CALLS(X)                                                                            \
    X(init, cuInit, (unsigned flags))                                                              \
    X(version, cuDriverGetVersion, (int *version))                                                 \
    X(error_name, cuGetErrorName, (cu_result r, const char **name))                                \
    X(error_text, cuGetErrorString, (cu_result r, const char **text))                              \
    X(device_count, cuDeviceGetCount, (int *count))                                                \
    X(device_get, cuDeviceGet, (cu_device *device, int i))                                         \
    X(device_name, cuDeviceGetName, (char *name, int size, cu_device device))                      \
    X(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, cu_device device))       \
    X(device_memory, cuDeviceTotalMem_v2, (size_t *bytes, cu_device device))                       \
    X(context_retain, cuDevicePrimaryCtxRetain, (cu_context *context, cu_device device))           \
    X(context_release, cuDevicePrimaryCtxRelease_v2, (cu_device device))                           \
    X(context_use, cuCtxSetCurrent, (cu_context context))                                          \
    X(memory_info, cuMemGetInfo_v2, (size_t *free, size_t *total))                                 \
    X(alloc, cuMemAlloc_v2, (cu_pointer *memory, size_t bytes))                                    \
    X(free, cuMemFree_v2, (cu_pointer memory))                                                     \
    X(host_alloc, cuMemHostAlloc, (void **memory, size_t bytes, unsigned flags))                   \
    X(host_free, cuMemFreeHost, (void *memory))                                                    \
    X(copy, cuMemcpy2DAsync_v2, (const struct cu_copy *copy, cu_stream stream))                    \
    X(module_load, cuModuleLoadDataEx,                                                             \
      (cu_module *module, const void *image, unsigned count, int *options, void **values))         \
    X(module_unload, cuModuleUnload, (cu_module module))                                           \
    X(module_function, cuModuleGetFunction,                                                        \
      (cu_function *function, cu_module module, const char *name))                                 \
    X(function_set, cuFuncSetAttribute, (cu_function function, int attribute, int value))          \
    X(launch, cuLaunchKernel,                                                                      \
      (cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,  \
       unsigned block_y, unsigned block_z, unsigned shared, cu_stream stream, void **arguments,    \
       void **extra))                                                                              \
    X(stream_create, cuStreamCreate, (cu_stream *stream, unsigned flags))                          \
    X(stream_destroy, cuStreamDestroy_v2, (cu_stream stream))                                      \
    X(stream_wait, cuStreamSynchronize, (cu_stream stream))                                        \
    X(stream_wait_event, cuStreamWaitEvent, (cu_stream stream, cu_event event, unsigned flags))    \
    X(event_create, cuEventCreate, (cu_event *event, unsigned flags))                              \
    X(event_destroy, cuEventDestroy_v2, (cu_event event))                                          \
    X(event_record, cuEventRecord, (cu_event event, cu_stream stream))                             \
    X(event_query, cuEventQuery, (cu_event event))                                                 \
    X(event_wait, cuEventSynchronize, (cu_event event))                                            \
    X(event_elapsed, cuEventElapsedTime, (float *milliseconds, cu_event start, cu_event end))
/* clang-format on */

struct cuda_driver {
    void *library;
/* NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define DRIVER_MEMBER(FIELD, NAME, ARGUMENTS) cu_result(*FIELD) ARGUMENTS;
    DRIVER_CALLS(DRIVER_MEMBER)
#undef DRIVER_MEMBER
};

/* The driver, opened and started by whoever asks first.  It is never closed: threads of its own may
 * still be in its code when the last call has returned.  STATUS_INVALID: there is none here, or it
 * cannot be used; the sentence says why, and what helps. */
enum status driver_open(const struct cuda_driver **out, struct error *err);

struct driver_words {
    char text[200]; /* "out of memory (CUDA_ERROR_OUT_OF_MEMORY, 2)" */
};
struct driver_words driver_words(const struct cuda_driver *d, cu_result r);

/* Whether after this nothing that was asked of the card can be relied on, whoever is told. */
bool driver_is_lost(cu_result r);

#endif
