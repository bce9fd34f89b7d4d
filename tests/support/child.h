/*
 * child.h - child processes; and the program run as its users do: with arguments, an environment,
 * and an exit status.
 */
#ifndef SUPPORT_CHILD_H
#define SUPPORT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Forks.  The child does `work`, ends with status 0 if it comes back from it, and does not outlive
 * the test. */
pid_t child_fork(void (*work)(void *arg), void *arg);

/* Waits for the end of a child: its exit status, or 128 + the signal that it died of.  One that has
 * not ended after `seconds` is killed. */
int child_end(pid_t pid, double seconds);

/* A number of /proc/PID/status, such as "Threads" or, in kB, "VmPeak". */
int64_t child_fact(pid_t pid, const char *key);

struct child {
    pid_t pid;
    int status;              /* exit status; 128 + signal where it died of one */
    int64_t peak_bytes;      /* peak of the resident memory */
    double started, seconds; /* when it was started, and how long it took */
    char out[16384], err[16384];
};

/* Starts `program` with the words, NULL ends them; its output goes to files in the working
 * directory. */
void child_start(struct child *c, const char *program, const char *const *words);
void child_wait(struct child *c); /* and fills in status, out, err */
bool child_ended(struct child *c);

/* Runs to the end on a terminal; out holds all that was written there. */
void child_run_on_terminal(struct child *c, const char *program, const char *const *words);

/* cmocka's set-ups: a fresh folder as the working directory, with model folders m, slow and
 * broken, and models/demo; before each test none of the program's variables is set, and no picture
 * or report is left from the one before. */
int scene_enter(void **state);
int scene_reset(void **state);
int scene_leave(void **state);

bool wait_for_text(const char *path, const char *text, double seconds);

#endif
