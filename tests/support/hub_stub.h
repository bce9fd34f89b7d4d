/*
 * hub_stub.h - the stand-in for the hub (tests/hub/hub_stub.py, whose docstring is its manual) as a
 * process, for tests in C.  Every failure fails the running test.
 */
#ifndef SUPPORT_HUB_STUB_H
#define SUPPORT_HUB_STUB_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct hub_stub {
    pid_t pid;
    char hub[64], cdn[64], proxy[64]; /* URLs; proxy is "" without one */
};

/* Whether python3 is there to run it. */
bool hub_stub_possible(void);

/* Starts it over the folder `root` with further words of its command line, NULL ends them. */
void hub_stub_start(struct hub_stub *s, const char *root, const char *const *words);
void hub_stub_stop(struct hub_stub *s);

/* Steers it: JSON as the manual has it, with ' for ". */
void hub_stub_rules(struct hub_stub *s, const char *rules);
void hub_stub_set(struct hub_stub *s, const char *values);
void hub_stub_expire(struct hub_stub *s);
void hub_stub_forget(struct hub_stub *s); /* the log */

/* The log as an array of objects; the caller releases it. */
json_t *hub_stub_log(struct hub_stub *s);

/* How many entries of the log have these values: pairs of key and value, NULL ends them. */
int hub_stub_count(struct hub_stub *s, ...);

/* The sum of `bytes` of the CDN's answers for a file; of all files with NULL. */
long long hub_stub_bytes(struct hub_stub *s, const char *file);

/* The commit of a branch. */
void hub_stub_commit(struct hub_stub *s, const char *id, const char *branch, char commit[41]);

#endif
