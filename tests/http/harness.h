/*
 * harness.h - a server as a process of its own, and clients for it: a well-behaved one (libcurl)
 * and one that sends any bytes at all (raw sockets).  Every wait ends after HANG_SECONDS with a
 * failed test.
 *
 * The program is $FIRERED_SERVER, else the server with the stand-in engine.
 */
#ifndef TESTS_HTTP_HARNESS_H
#define TESTS_HTTP_HARNESS_H

#include "support/unit_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "support/sanitized.h"

enum { HANG_SECONDS = 60 };

/* Whether $FIRERED_SERVER is under test: the real engine, which words in the prompt do not steer.
 */
bool server_is_real(void);
#define NEEDS_STAND_IN()                                                                           \
    do {                                                                                           \
        if (server_is_real()) skip();                                                              \
    } while (0)

/* What X-Model says. */
const char *server_model(void);

struct server_process {
    pid_t pid;
    int port;
    char *dir; /* FAKE_DIR, where released files appear */
    int log_fd;
    pthread_t reader;
    atomic_bool ended; /* no more will be logged */
    pthread_mutex_t lock;
    struct buffer log;
};

/* environment: "NAME=value" strings up to a NULL; NULL for none.  Waits until the socket listens,
 * not until ready. */
void server_start(struct server_process *s, const char *const *environment);
void server_start_ready(struct server_process *s, const char *const *environment);

/* The same for a start that may fail: false when the server has ended instead.  Stop it either way.
 * A server that got ready has no `port` here. */
bool server_gets_ready(struct server_process *s, const char *const *environment);

/* Sends the signal (0: none), waits for the end, returns the exit status (128 + signal when
 * killed), cleans up. */
int server_stop(struct server_process *s, int signal);
void server_signal(struct server_process *s, int signal);

/* For a start that is to fail: its exit status, and what it wrote. */
int server_fails(const char *const *environment, char *log, size_t size);

void server_release(struct server_process *s, const char *name); /* hold=NAME goes on */
bool server_logged(struct server_process *s, const char *text);
void server_wait_log(struct server_process *s, const char *text);
char *server_log(struct server_process *s); /* malloc'ed copy */

/* The value of one line of /metrics, written as there: "firered_queue_depth"; 0 when it is not
 * there. */
double server_metric(struct server_process *s, const char *name);
void server_wait_metric(struct server_process *s, const char *name, double value);

/* What a client got. */
struct answer {
    int status; /* 0: the connection ended without one */
    struct buffer head, body;
    bool closed; /* the server closed the connection after it */
};

/* A header's value, which lasts for the thread's next seven calls; NULL when there is none. */
const char *answer_header(const struct answer *a, const char *name);
void answer_free(struct answer *a);

/* The value of a string in a JSON body; "" when there is none. */
const char *answer_string(const struct answer *a, const char *key);

/* Checks all that the contract says about an error: status, code, detail, request_id equal to
 * X-Request-ID. */
void assert_error(const struct answer *a, int status, const char *code);

/* A form: parts as bytes with their headers, joined by a boundary. */
struct form {
    struct buffer body;
};
#define BOUNDARY "----boundary7MA4YWxk"
void form_field(struct form *f, const char *name, const char *value);
void form_bytes(struct form *f, const char *name, const void *value, size_t size);
void form_file(struct form *f, const char *name, const char *filename, const void *bytes,
               size_t size);
void form_raw(struct form *f, const char *text);
void form_end(struct form *f);
void form_free(struct form *f);

/* A small valid PNG of the given size, made by our own encoder. */
void make_png(struct buffer *out, int width, int height);

/* An edit of a small picture with this prompt and further fields: name, value, ..., NULL. */
void form_edit(struct form *f, const char *prompt, ...);

/* One request over a connection of its own; headers: more lines, each with its CRLF, or NULL. */
void http_request(struct server_process *s, const char *method, const char *path,
                  const char *headers, const void *body, size_t size, struct answer *out);
void http_get(struct server_process *s, const char *path, struct answer *out);
void http_post_form(struct server_process *s, struct form *f,
                    struct answer *out); /* frees the form */
void http_edit(struct server_process *s, const char *prompt, struct answer *out);

/* Raw connections. */
int raw_connect(struct server_process *s);
void raw_send(int fd, const void *bytes, size_t size);
void raw_text(int fd, const char *text);
/* Sends what it can; false once the server has ended the connection. */
bool raw_try_send(int fd, const void *bytes, size_t size);
void raw_post_head(int fd, const char *headers, size_t content_length);
void raw_post_form(int fd, struct form *f); /* head and body; frees the form */
/* Reads one answer; interim 1xx answers are skipped (count them in *interim where it is not NULL).
 */
void raw_read_answer_counting(int fd, struct answer *out, int *interim);
void raw_read_answer(int fd, struct answer *out);
void raw_read_head(int fd, struct answer *out); /* of a HEAD */
/* Reads one answer, which is that of GET /health; an error, which closes the connection or not; an
 * edited picture. */
void raw_expect_health(int fd);
void raw_expect_error(int fd, int status, const char *code, bool closed);
void raw_expect_edit(int fd);
/* Reads until the server closes; true when it did so in time. */
bool raw_wait_close(int fd);

void sleep_ms(int ms);
int64_t now_ms(void);

#endif
