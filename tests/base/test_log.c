/*
 * Log lines stay one line and one object, whatever the network sends: no forged lines, no broken
 * JSON, no invalid UTF-8.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <utf8proc.h>

#include "base/log.h"
#include "base/log_sink.h"
#include "support/files.h"

static struct log log_to_file(enum log_level least, bool json) {
    char *folder = temporary_folder();
    struct log log = {.min_level = least,
                      .json = json,
                      .fd = open(in_folder(folder, "log"), O_RDWR | O_CREAT | O_APPEND, 0600)};
    assert_true(log.fd >= 0);
    remove_folder(folder); /* the file lives as long as it is open */
    return log;
}

/* All that was written so far, which the caller frees; the file is closed. */
static char *text_of(struct log *log) {
    off_t size = lseek(log->fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(log->fd, text, (size_t)size, 0), size);
    close(log->fd);
    return text;
}

static int lines_of(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static bool valid_utf8(const char *s) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n;
    for (const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s; *p; p += n)
        if ((n = utf8proc_iterate(p, -1, &c)) < 1) return false;
    return true;
}

static void test_formats(void **state) {
    (void)state;
    struct log log = log_to_file(LOG_INFO, false);
    log_event(&log, LOG_DEBUG, "not written", LOG_INT("n", 1));
    log_event(&log, LOG_INFO, "edit finished", LOG_STR("id", "ab-12"), LOG_INT("steps", INT64_MIN),
              LOG_REAL("seconds", 3.25));
    log_event(&log, LOG_ERROR, "x", LOG_STR("a", NULL), LOG_STR("b", "two words"),
              LOG_STR("c", "1=2"));
    log_fields(&log, LOG_WARN, "no fields", NULL, 0);
    log_event(NULL, LOG_ERROR, "nowhere", LOG_INT("n", 1));
    char *text = text_of(&log), *line = text;
    assert_int_equal(lines_of(text), 3);
    assert_true(line[4] == '-' && line[10] == 'T' && line[19] == '.' && line[23] == 'Z');
    assert_memory_equal(
        line + 24, " info  edit finished id=ab-12 steps=-9223372036854775808 seconds=3.25\n", 70);
    line = strchr(line, '\n') + 1;
    assert_memory_equal(line + 24, " error x a=\"\" b=\"two words\" c=\"1=2\"\n", 36);
    free(text);
}

static const char *const hostile[] = {
    "a\nb",
    "a\r\n2026-01-01T00:00:00.000Z info  forged",
    "\x1b[2K\x1b[1A",
    "\"}\n{\"level\":\"info\"",
    "\\",
    "\\\"",
    "\"",
    "\x7f",
    "\xc2\x85",
    "\302\23331m",
    "\xe2\x80\xa8",
    "\xe2\x80\xa9",
    "\xff\xfe",
    "\xc0\x8a",
    "\xe2\x80",
    "\xf0\x9f\x98",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\x80",
    "ok\xc3",
    "\xf0\x9f\x98\x80 \xc3\xa9",
    "\b\f\t\v",
    "=",
    "a b=c",
    "",
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void test_hostile_text(void **state) {
    (void)state;
    struct log log = log_to_file(LOG_DEBUG, false);
    for (int i = 0; i < HOSTILE; i++)
        log_event(&log, LOG_INFO, hostile[i], LOG_STR("value", hostile[i]), LOG_REAL("x", NAN));
    char *text = text_of(&log);
    assert_int_equal(lines_of(text), HOSTILE);
    assert_true(valid_utf8(text));
    for (const char *p = text; *p; p++)
        assert_true(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f));
    assert_null(strstr(text, "\xe2\x80\xa8"));
    assert_null(strstr(text, "\xc2\x9b"));
    assert_non_null(strstr(text, "value=\"a b=c\"")); /* a value cannot make up a field */
    free(text);
}

static void test_hostile_json(void **state) {
    (void)state;
    static const double reals[] = {NAN,   INFINITY, -INFINITY, 0,   -0.0,
                                   1e300, 1e-300,   5,         0.1, 123456789};
    struct log log = log_to_file(LOG_DEBUG, true);
    for (int i = 0; i < HOSTILE; i++)
        log_event(&log, LOG_WARN, hostile[i], LOG_STR("value", hostile[i]), LOG_INT("n", INT64_MAX),
                  LOG_REAL("x", reals[i % 10]));
    char *text = text_of(&log), *line = text;
    assert_int_equal(lines_of(text), HOSTILE);
    for (int i = 0; i < HOSTILE; i++) {
        char *end = strchr(line, '\n');
        json_error_t why;
        json_t *j = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, &why);
        if (!j) fail_msg("no JSON: %.*s: %s", (int)(end - line), line, why.text);
        assert_int_equal(json_object_size(j), 6);
        assert_string_equal(json_string_value(json_object_get(j, "level")), "warn");
        assert_true(json_integer_value(json_object_get(j, "n")) == INT64_MAX);
        const char *value = json_string_value(json_object_get(j, "value"));
        assert_non_null(value);
        if (valid_utf8(hostile[i]))
            assert_string_equal(value, hostile[i]); /* nothing is lost */
        else
            assert_non_null(strstr(value, "\xef\xbf\xbd"));
        assert_string_equal(json_string_value(json_object_get(j, "event")), value);
        json_t *x = json_object_get(j, "x");
        if (isfinite(reals[i % 10]))
            assert_true(fabs(json_number_value(x) - reals[i % 10]) <= 1e-5 * fabs(reals[i % 10]));
        else
            assert_true(json_is_null(x));
        json_decref(j);
        line = end + 1;
    }
    free(text);
}

static void *write_lines(void *arg) {
    for (int i = 0; i < 200; i++)
        log_event(arg, LOG_INFO, "from a thread", LOG_INT("i", i), LOG_STR("s", "\"\n\""));
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct log log = log_to_file(LOG_INFO, true);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &log), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    char *text = text_of(&log), *line = text;
    assert_int_equal(lines_of(text), 800);
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *j = json_loadb(line, (size_t)(end - line), 0, NULL);
        assert_non_null(j);
        json_decref(j);
    }
    free(text);
}

/* Takes all that waits in a pipe; returns how many bytes. */
static size_t drain(int fd) {
    char bytes[4096];
    size_t size = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;) size += (size_t)n;
    return size;
}

/* A line that cannot be written is lost as a whole; it stops nobody, nor does it spoil the next. */
static void test_lost(void **state) {
    (void)state;
    struct log log = {LOG_INFO, true, -1, NULL}; /* no file at all */
    log_event(&log, LOG_ERROR, "lost", LOG_INT("n", 1));

    int pipes[2];
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    log.fd = pipes[1];
    char full[4096];
    memset(full, '#', sizeof full);
    size_t filled = 0;
    for (ssize_t n; (n = write(log.fd, full, sizeof full)) > 0;) filled += (size_t)n;
    log_event(&log, LOG_ERROR, "lost", LOG_INT("n", 2));
    assert_int_equal(drain(pipes[0]), filled);
    log_event(&log, LOG_ERROR, "kept", LOG_INT("n", 3));
    char line[200] = "";
    assert_true(read(pipes[0], line, sizeof line - 1) > 0);
    assert_memory_equal(line, "{\"time\":", 8);
    assert_non_null(strstr(line, "\"event\":\"kept\",\"n\":3}\n"));
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- sinks that take nothing ---- */

enum { MANY = 3000 };

/* MANY lines go into a sink, whatever is behind it; returns how many were lost. */
static uint64_t log_many(struct log *log, struct log_sink *sink, int fd) {
    log_sink_open(sink, fd);
    *log = (struct log){.min_level = LOG_INFO, .json = true, .fd = fd, .sink = sink};
    for (int i = 0; i < MANY; i++)
        log_event(log, LOG_INFO, "a line of a length that fills a pipe soon", LOG_INT("n", i));
    return atomic_load(&sink->total);
}

/* Lines stay whole where a reader comes back, and it is told how many it missed. */
static void check_report(struct log *log, int reader, uint64_t lost) {
    size_t size = 1 << 20, n = 0;
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    fcntl(reader, F_SETFL, O_NONBLOCK);
    for (ssize_t got; (got = read(reader, text + n, size - n)) > 0;) n += (size_t)got;
    log_event(log, LOG_INFO, "kept", LOG_INT("n", 1));
    for (ssize_t got; (got = read(reader, text + n, size - n)) > 0;) n += (size_t)got;
    char *save, *last = NULL;
    uint64_t whole = 0, reports = 0, reported = 0;
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        json_t *json = json_loads(line, 0, NULL), *lines = json_object_get(json, "lines");
        if (!json) fail_msg("no whole line: %s", line);
        if (lines) reports++, reported += (uint64_t)json_integer_value(lines);
        json_decref(json);
        last = line;
        whole++;
    }
    assert_non_null(last);
    assert_non_null(strstr(last, "\"kept\""));
    assert_true(reports > 0);
    assert_int_equal(reported, lost);
    assert_int_equal(whole, MANY - lost + reports + 1);
    free(text);
}

static void test_stalled_pipe(void **state) {
    (void)state;
    struct log log;
    struct log_sink sink;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    uint64_t lost = log_many(&log, &sink, pipes[1]);
    assert_true(lost > 0 && lost < MANY);
    assert_false(fcntl(pipes[1], F_GETFL) & O_NONBLOCK); /* it is shared with others */
    check_report(&log, pipes[0], lost);
    log_sink_close(&sink);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_stalled_socket(void **state) {
    (void)state;
    struct log log;
    struct log_sink sink;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    uint64_t lost = log_many(&log, &sink, pair[1]);
    assert_true(lost > 0 && lost < MANY);
    check_report(&log, pair[0], lost);
    log_sink_close(&sink);
    close(pair[0]);
    close(pair[1]);
}

/* Under Ctrl-S. */
static void test_stopped_terminal(void **state) {
    (void)state;
    struct log log;
    struct log_sink sink;
    int terminal, side;
    assert_int_equal(openpty(&terminal, &side, NULL, NULL, NULL), 0);
    assert_int_equal(tcflow(side, TCOOFF), 0);
    assert_true(log_many(&log, &sink, side) > 0);
    log_sink_close(&sink);
    tcflow(side, TCOON);
    close(side);
    close(terminal);
}

/* No reader, no disk, no descriptor, a file at its limit: nothing to wait for either. */
static void test_broken_sinks(void **state) {
    (void)state;
    struct log log;
    struct log_sink sink;
    int pipes[2], full = open("/dev/full", O_WRONLY);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(pipe(pipes), 0);
    close(pipes[0]);
    assert_int_equal(log_many(&log, &sink, pipes[1]), MANY);
    log_sink_close(&sink);
    close(pipes[1]);
    assert_true(full >= 0);
    assert_int_equal(log_many(&log, &sink, full), MANY);
    log_sink_close(&sink);
    close(full);
    assert_int_equal(log_many(&log, &sink, -1), MANY);
    log_sink_close(&sink);

    struct log file = log_to_file(LOG_INFO, true);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){8192, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    uint64_t lost = log_many(&log, &sink, file.fd);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_true(lost > 0 && lost < MANY);
    log_sink_close(&sink);
    close(file.fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_hostile_json),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_lost),           cmocka_unit_test(test_stalled_pipe),
        cmocka_unit_test(test_stalled_socket), cmocka_unit_test(test_stopped_terminal),
        cmocka_unit_test(test_broken_sinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
