/*
 * The handler may come between any two instructions: it uses nothing but atomics, unlink and _exit.
 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/commands.h"

static atomic_bool deferred, requested;
static _Atomic(const char *) temporary;

static void on_signal(int number) {
    (void)number;
    if (atomic_load(&deferred) && !atomic_exchange(&requested, true)) return;
    const char *path = atomic_load(&temporary);
    if (path) unlink(path);
    _exit(EXIT_INTERRUPTED);
}

void interrupt_install(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++)
        /* A shell starts background jobs with SIGINT ignored: that is the user's request. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

void interrupt_defer(void) {
    atomic_store(&deferred, true);
}

bool interrupt_requested(void) {
    return atomic_load(&requested);
}

bool interrupt_cancelled(void *unused) {
    (void)unused;
    return interrupt_requested();
}

void interrupt_set_temporary(const char *path) {
    atomic_store(&temporary, path);
}
