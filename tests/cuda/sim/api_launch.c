/* Entry points: modules, functions, launches, occupancy. */
#include "api.h"

static struct module *modules; /* unloaded ones too: their handles may be used late */

static struct module *module_of(CUmodule handle, const char *call) {
    for (struct module *m = modules; m; m = m->next) {
        if ((CUmodule)m == handle) {
            if (m->dead) {
                misuse(CUDA_ERROR_INVALID_HANDLE, "%s: this module was unloaded", call);
                return NULL;
            }
            return m;
        }
    }
    misuse(CUDA_ERROR_INVALID_HANDLE, "%s: this module never was", call);
    return NULL;
}

/* A function's handle is its kernel; kernels of unloaded modules stay in memory to be known. */
static struct kernel *kernel_of(CUfunction handle, const char *call) {
    for (struct module *m = modules; m; m = m->next) {
        for (struct kernel *k = m->kernels; k; k = k->next) {
            if ((CUfunction)k == handle) {
                if (m->dead) {
                    misuse(CUDA_ERROR_INVALID_HANDLE, "%s: the module of %s was unloaded", call,
                           k->name);
                    return NULL;
                }
                return k;
            }
        }
    }
    misuse(CUDA_ERROR_INVALID_HANDLE, "%s: this function never was", call);
    return NULL;
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int n, CUjit_option *options,
                            void **values) {
    ENTER(NEED_CONTEXT);
    char log[600] = "";
    struct module *m = NULL;
    if (!image) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (fail_now(&count_load, opt.fail_load)) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    CUresult error = module_load(image, &m, log, sizeof log);
    char *to = NULL;
    size_t room = 0;
    for (unsigned int k = 0; k < n; k++) {
        if (options[k] == CU_JIT_ERROR_LOG_BUFFER) {
            to = values[k];
        } else if (options[k] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
            room = (size_t)(uintptr_t)values[k];
            values[k] = (void *)(uintptr_t)strlen(log);
        }
    }
    if (to && room) {
        snprintf(to, room, "%s", log);
    }
    if (error == CUDA_ERROR_NO_BINARY_FOR_GPU) {
        return error; /* asking is the way to find out: no mistake */
    }
    if (error) {
        report("LOAD %s", log);
        return error;
    }
    m->next = modules;
    modules = m;
    *out = (CUmodule)m;
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *out, const void *image) {
    return cuModuleLoadDataEx(out, image, 0, NULL, NULL);
}
CUresult cuModuleLoadFatBinary(CUmodule *out, const void *image) {
    return cuModuleLoadDataEx(out, image, 0, NULL, NULL);
}

CUresult cuModuleUnload(CUmodule handle) {
    ENTER(NEED_CONTEXT);
    struct module *m = module_of(handle, "cuModuleUnload");
    if (!m) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    const char *user = module_in_use(m);
    if (user) {
        return misuse(CUDA_ERROR_LAUNCH_FAILED, "cuModuleUnload: %s is not done", user);
    }
    m->dead = true;
    for (u32 k = 0; k < m->nsymbols; k++) {
        memory_free(m->symbols[k].address);
    }
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name) {
    ENTER(NEED_CONTEXT);
    struct module *m = module_of(handle, "cuModuleGetFunction");
    if (!m) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    struct kernel *k = module_kernel(m, name);
    if (!k) {
        return CUDA_ERROR_NOT_FOUND;
    }
    *out = (CUfunction)k;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunctionCount(unsigned int *count, CUmodule handle) {
    ENTER(NEED_CONTEXT);
    struct module *m = module_of(handle, "cuModuleGetFunctionCount");
    *count = 0;
    for (struct kernel *k = m ? m->kernels : NULL; k; k = k->next) {
        ++*count;
    }
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuModuleGetGlobal(CUdeviceptr *address, size_t *bytes, CUmodule handle, const char *name) {
    ENTER(NEED_CONTEXT);
    struct module *m = module_of(handle, "cuModuleGetGlobal");
    for (u32 k = 0; m && k < m->nsymbols; k++) {
        if (!strcmp(m->symbols[k].name, name)) {
            if (address) {
                *address = m->symbols[k].address;
            }
            if (bytes) {
                *bytes = m->symbols[k].size;
            }
            return CUDA_SUCCESS;
        }
    }
    return m ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE;
}

/* ---- functions ---------------------------------------------------------------------------- */

/* Registers as ptxas might give them: an estimate from the values alive at once. */
static int registers_of(const struct kernel *k) {
    u32 n = (k->regs + 8 + 7) & ~7u;
    return n > 255 ? 255 : n < 16 ? 16 : (int)n;
}

static u32 most_threads(const struct kernel *k) {
    u32 n = k->max_threads && k->max_threads < 1024 ? k->max_threads : 1024;
    u32 fit = 65536u / (u32)registers_of(k) / LANES * LANES;
    return fit < n && !k->max_threads ? fit : n;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute which, CUfunction handle) {
    ENTER(NEED_CONTEXT);
    struct kernel *k = kernel_of(handle, "cuFuncGetAttribute");
    if (!k) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    switch (which) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = (int)most_threads(k); break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = (int)k->shared_static; break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = (int)k->local_size; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = registers_of(k); break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = opt.chip.major * 10 + opt.chip.minor; break;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = (int)(k->dynamic_limit ? k->dynamic_limit : 49152 - k->shared_static);
        break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = -1; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute which, int value) {
    ENTER(NEED_CONTEXT);
    struct kernel *k = kernel_of(handle, "cuFuncSetAttribute");
    if (!k) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (which == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) {
        return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
    if (which != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (value < 0 || value + (int)k->shared_static > opt.chip.shared_optin) {
        report(
            "HOST cuFuncSetAttribute: %s: %d bytes of shared memory and %u static ones, %s has %d",
            k->name, value, k->shared_static, opt.chip.sm, opt.chip.shared_optin);
        return CUDA_ERROR_INVALID_VALUE;
    }
    k->dynamic_limit = (u32)value;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache config) {
    ENTER(NEED_CONTEXT);
    (void)config;
    return kernel_of(handle, "cuFuncSetCacheConfig") ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuFuncGetName(const char **name, CUfunction handle) {
    ENTER(NEED_CONTEXT);
    struct kernel *k = kernel_of(handle, "cuFuncGetName");
    *name = k ? k->name : NULL;
    return k ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t *offset, size_t *size) {
    ENTER(NEED_CONTEXT);
    struct kernel *k = kernel_of(handle, "cuFuncGetParamInfo");
    if (!k || index >= k->nparams) {
        return k ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
    }
    *offset = k->params[index].offset;
    if (size) {
        *size = k->params[index].size;
    }
    return CUDA_SUCCESS;
}

static int blocks_of_sm(const struct kernel *k, u32 threads, u64 dynamic) {
    if (!threads || threads > most_threads(k)) {
        return 0;
    }
    u32 warps = (threads + LANES - 1) / LANES;
    int n = opt.chip.blocks_sm;
    int by_threads = opt.chip.threads_sm / (int)(warps * LANES);
    int by_registers = 65536 / (registers_of(k) * (int)(warps * LANES));
    u64 shared = ((k->shared_static + dynamic + 127) & ~127ull) + 1024;
    int by_shared = (int)((u64)opt.chip.shared_sm / shared);
    n = by_threads < n ? by_threads : n;
    n = by_registers < n ? by_registers : n;
    return by_shared < n ? by_shared : n;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction handle, int threads,
                                                     size_t dynamic) {
    ENTER(NEED_CONTEXT);
    struct kernel *k = kernel_of(handle, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    if (!k) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    *blocks = blocks_of_sm(k, (u32)threads, dynamic);
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction handle,
                                                              int threads, size_t dynamic,
                                                              unsigned int flags) {
    (void)flags;
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, handle, threads, dynamic);
}

CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction handle,
                                          CUoccupancyB2DSize size, size_t dynamic, int limit) {
    ENTER(NEED_CONTEXT);
    struct kernel *k = kernel_of(handle, "cuOccupancyMaxPotentialBlockSize");
    int best = 0;
    if (!k) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    for (int n = 1024; n >= LANES; n -= LANES) {
        int fit = limit && n > limit ? 0 : blocks_of_sm(k, (u32)n, size ? size(n) : dynamic);
        if (fit * n > best) {
            best = fit * n;
            *block = n;
            *grid = fit * opt.chip.sms;
        }
    }
    return best ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- launches ----------------------------------------------------------------------------- */

static CUresult pack_params(struct kernel *k, void **params, void **extra, u8 *to) {
    if (params && extra) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (extra) {
        const void *buffer = NULL;
        size_t size = 0;
        for (u32 e = 0; extra[e] != CU_LAUNCH_PARAM_END; e += 2) {
            if (extra[e] == CU_LAUNCH_PARAM_BUFFER_POINTER) {
                buffer = extra[e + 1];
            } else if (extra[e] == CU_LAUNCH_PARAM_BUFFER_SIZE) {
                size = *(size_t *)extra[e + 1];
            } else {
                return CUDA_ERROR_INVALID_VALUE;
            }
        }
        if (size != k->param_size || (!buffer && size)) {
            return misuse(CUDA_ERROR_INVALID_VALUE,
                          "cuLaunchKernel: %s takes %u bytes of parameters, %zu were given",
                          k->name, k->param_size, size);
        }
        memcpy(to, buffer, size);
        return CUDA_SUCCESS;
    }
    for (u32 q = 0; q < k->nparams; q++) {
        if (!params || !params[q]) {
            return misuse(CUDA_ERROR_INVALID_VALUE,
                          "cuLaunchKernel: %s takes %u parameters, number %u is missing", k->name,
                          k->nparams, q);
        }
        memcpy(to + k->params[q].offset, params[q], k->params[q].size);
    }
    return CUDA_SUCCESS;
}

static CUresult launch(CUfunction f, u32 gx, u32 gy, u32 gz, u32 bx, u32 by, u32 bz, u32 dynamic,
                       CUstream stream, void **params, void **extra) {
    const char *call = "cuLaunchKernel";
    struct kernel *k = kernel_of(f, call);
    struct CUstream_st *s = k ? stream_of(stream, call) : NULL;
    if (!s) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (fail_now(&count_launch, opt.fail_launch)) {
        return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    u64 threads = (u64)bx * by * bz;
    if (!gx || !gy || !gz || gx > 2147483647u || gy > 65535 || gz > 65535) {
        return misuse(CUDA_ERROR_INVALID_VALUE, "%s: %s: a grid of %u x %u x %u blocks", call,
                      k->name, gx, gy, gz);
    }
    if (!threads || threads > 1024 || bz > 64) {
        return misuse(CUDA_ERROR_INVALID_VALUE, "%s: %s: a block of %u x %u x %u threads", call,
                      k->name, bx, by, bz);
    }
    if (k->max_threads && threads > k->max_threads) {
        return misuse(CUDA_ERROR_INVALID_VALUE, "%s: %s: %llu threads, it was built for %u at most",
                      call, k->name, (unsigned long long)threads, k->max_threads);
    }
    if (k->required[0] && (bx != k->required[0] || by != k->required[1] || bz != k->required[2])) {
        return misuse(CUDA_ERROR_INVALID_VALUE,
                      "%s: %s: a block of %u x %u x %u threads, it requires %u x %u x %u", call,
                      k->name, bx, by, bz, k->required[0], k->required[1], k->required[2]);
    }
    u32 limit = k->dynamic_limit           ? k->dynamic_limit
                : k->shared_static < 49152 ? 49152 - k->shared_static
                                           : 0;
    if (dynamic > limit || (k->shared_static > 49152)) {
        return misuse(
            CUDA_ERROR_INVALID_VALUE,
            "%s: %s: %u bytes of shared memory and %u static ones, allowed are %u and 49152", call,
            k->name, dynamic, k->shared_static, limit);
    }
    u8 *buffer = calloc(1, k->param_size + 16);
    CUresult error = pack_params(k, params, extra, buffer);
    if (error) {
        free(buffer);
        return error;
    }
    if (opt.fail_sticky && fail_now(&count_sticky, opt.fail_sticky)) {
        sticky_set(CUDA_ERROR_ECC_UNCORRECTABLE); /* found when the host asks next */
        free(buffer);
        return CUDA_SUCCESS;
    }
    struct op *o = op_new(s, OP_KERNEL, k->name);
    o->launch = (struct launch){
        .k = k, .grid = {gx, gy, gz}, .dim = {bx, by, bz}, .dynamic = dynamic, .params = buffer};
    op_submit(o);
    return CUDA_SUCCESS; /* what goes wrong is told later */
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
                        unsigned int bx, unsigned int by, unsigned int bz, unsigned int dynamic,
                        CUstream stream, void **params, void **extra) {
    ENTER(NEED_CONTEXT);
    return launch(f, gx, gy, gz, bx, by, bz, dynamic, stream, params, extra);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra) {
    ENTER(NEED_CONTEXT);
    for (unsigned int k = 0; k < c->numAttrs; k++) {
        switch (c->attrs[k].id) {
        case CU_LAUNCH_ATTRIBUTE_IGNORE:
        case CU_LAUNCH_ATTRIBUTE_PRIORITY: break;
        default:
            report("HOST cuLaunchKernelEx: attribute %d is not modelled", (int)c->attrs[k].id);
            return CUDA_ERROR_NOT_SUPPORTED;
        }
    }
    return launch(f, c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY,
                  c->blockDimZ, c->sharedMemBytes, c->hStream, params, extra);
}

/* ---- at exit ------------------------------------------------------------------------------ */

void modules_report_leaks(void) {
    for (struct module *m = modules; m; m = m->next) {
        if (!m->dead) {
            report("EXIT: a module (kernel %s) was never unloaded",
                   m->kernels ? m->kernels->name : "none");
            for (u32 k = 0; k < m->nsymbols; k++) {
                memory_free(m->symbols[k].address);
            }
        }
    }
}

void kernels_report_stats(void) {
    fprintf(stderr, "sim-stats: %-32s %8s %14s %6s %12s %12s %9s %12s\n", "kernel", "launches",
            "instructions", "lanes", "load bytes", "store bytes", "sectors/", "conflicts");
    for (struct module *m = modules; m; m = m->next) {
        for (struct kernel *k = m->kernels; k; k = k->next) {
            if (k->launches) {
                fprintf(stderr,
                        "sim-stats: %-32.32s %8llu %14llu %6.1f %12llu %12llu %9.2f %12llu\n",
                        k->name, (unsigned long long)k->launches, (unsigned long long)k->warp_insns,
                        k->warp_insns ? (double)k->lane_insns / (double)k->warp_insns : 0,
                        (unsigned long long)k->load_bytes, (unsigned long long)k->store_bytes,
                        k->ideal_sectors ? (double)k->sectors / (double)k->ideal_sectors : 1,
                        (unsigned long long)k->conflicts);
            }
        }
    }
}
