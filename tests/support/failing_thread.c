/*
 * The linker sends every call of pthread_create here.
 */
#include "support/failing_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_int refused, asked;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *arg) {
    int n = atomic_fetch_add(&asked, 1) + 1;
    if (n == atomic_load(&refused)) return EAGAIN;
    return __real_pthread_create(thread, attributes, work, arg);
}

void threads_refuse(int n) {
    atomic_store(&asked, 0);
    atomic_store(&refused, n);
}

int threads_asked(void) {
    return atomic_load(&asked);
}
