/*
 * The kernel tells of a page that cannot be had by SIGBUS in the thread that touches it.  The
 * handler puts zeros in the place of that page and of all after it, notes the loss, and lets the
 * thread go on: nothing has to be unwound, whichever thread it is.
 *
 * A handler may take no lock and must never see freed memory, so the ranges that it looks through
 * are in a list that only grows; a closed file's is used again by the next one.
 *
 * Changes show in the size and the time of modification of the file that is open.  The inode's own
 * time says nothing: it also changes with a new link, or with a rename over the file's name.
 */
#include "weights/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct guarded_range {
    atomic_uintptr_t begin, end; /* 0: no file's */
    atomic_bool lost;
    bool taken; /* under the mutex */
    struct guarded_range *next;
};

static _Atomic(struct guarded_range *) ranges;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for who opens and closes */
static struct sigaction before;
static uintptr_t page_size;

/* ---- the handler ---- */

static bool replace_pages(uintptr_t at) {
    for (struct guarded_range *r = atomic_load(&ranges); r; r = r->next) {
        uintptr_t end = atomic_load(&r->end), begin = atomic_load(&r->begin);
        if (at < begin || at >= end) continue;
        atomic_store(&r->lost, true);
        uintptr_t page = at & ~(page_size - 1);
        /* The system's call itself: around the library's a sanitizer may do what no handler may, and
         * takes it for a write that races with the other readers. */
        return syscall(SYS_mmap, page, end - page, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0L) != -1;
    }
    return false;
}

/* What is not ours happens again when the handler returns; only what somebody sent has to be sent
 * again. */
static void on_bus_error(int signal, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    bool sent = info->si_code <= 0;
    if (sent || !replace_pages((uintptr_t)info->si_addr)) {
        sigaction(SIGBUS, &before, NULL);
        if (sent) raise(signal);
    }
    errno = saved;
}

/* Unless it is there: others may have set one of their own since the last open. */
static void install(void) {
    struct sigaction action, now;
    if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
        now.sa_sigaction == on_bus_error)
        return;
    action = (struct sigaction){.sa_flags = SA_SIGINFO | SA_RESTART};
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    action.sa_sigaction = on_bus_error;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

/* ---- the ranges ---- */

static struct guarded_range *take_range(const void *data, size_t size) {
    pthread_mutex_lock(&mutex);
    install();
    struct guarded_range *r = atomic_load(&ranges);
    while (r && r->taken) r = r->next;
    if (!r && (r = calloc(1, sizeof *r))) {
        r->next = atomic_load(&ranges);
        atomic_store(&ranges, r);
    }
    if (r) {
        r->taken = true;
        atomic_store(&r->lost, false);
        atomic_store(&r->begin, (uintptr_t)data);
        atomic_store(&r->end, (uintptr_t)data + size);
    }
    pthread_mutex_unlock(&mutex);
    return r;
}

static void give_back_range(struct guarded_range *r) {
    pthread_mutex_lock(&mutex);
    atomic_store(&r->end, 0);
    atomic_store(&r->begin, 0);
    r->taken = false;
    pthread_mutex_unlock(&mutex);
}

/* ---- files ---- */

static enum status look_at(struct mapped_file *f, struct error *err) {
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return fail(err, STATUS_IO, "cannot read %s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return fail(err, STATUS_INVALID, "%s is not a regular file", f->path);
    if (st.st_size == 0) return fail(err, STATUS_INVALID, "%s is empty", f->path);
    if ((uintmax_t)st.st_size > PTRDIFF_MAX)
        return fail(err, STATUS_INVALID, "%s is too large to map", f->path);
    f->size = (size_t)st.st_size;
    f->modified = st.st_mtim;
    return STATUS_OK;
}

static enum status map(struct mapped_file *f, struct error *err) {
    /* Without O_NONBLOCK a named pipe would wait for its writer, before we could see that it is no
     * file. */
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0) return fail(err, STATUS_IO, "cannot open %s: %s", f->path, strerror(errno));
    enum status s = look_at(f, err);
    if (s != STATUS_OK) return s;
    void *data = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (data == MAP_FAILED)
        return fail(err, STATUS_IO, "cannot map %s: %s", f->path, strerror(errno));
    f->data = data;
    f->range = take_range(data, f->size);
    return f->range ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory to open %s", f->path);
}

enum status mapped_file_open(struct mapped_file **out, const char *path, struct error *err) {
    *out = NULL;
    struct mapped_file *f = calloc(1, sizeof *f);
    if (f) f->fd = -1;
    if (!f || !(f->path = strdup(path))) {
        mapped_file_close(f);
        return fail(err, STATUS_NO_MEMORY, "no memory to open %s", path);
    }
    enum status s = map(f, err);
    if (s == STATUS_OK)
        *out = f;
    else
        mapped_file_close(f);
    return s;
}

enum status mapped_file_check(const struct mapped_file *f, struct error *err) {
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return fail(err, STATUS_IO, "%s cannot be read any more: %s", f->path, strerror(errno));
    if ((uintmax_t)st.st_size < f->size)
        return fail(err, STATUS_IO,
                    "%s was shortened while it was in use: %llu bytes instead of %zu; put it back "
                    "and start again",
                    f->path, (unsigned long long)st.st_size, f->size);
    if (st.st_mtim.tv_sec != f->modified.tv_sec || st.st_mtim.tv_nsec != f->modified.tv_nsec)
        return fail(err, STATUS_IO, "%s was written to while it was in use; start again", f->path);
    if (atomic_load(&f->range->lost))
        return fail(err, STATUS_IO, "%s could not be read: its disk fails, or it was shortened",
                    f->path);
    return STATUS_OK;
}

void mapped_file_close(struct mapped_file *f) {
    if (!f) return;
    if (f->range) give_back_range(f->range);
    if (f->data) munmap((void *)f->data, f->size);
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    free(f);
}
