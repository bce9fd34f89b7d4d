/*
 * A reader thread takes the server's log, so that no server waits for its pipe; all else happens in the
 * test's thread, with a limit of time on each wait.
 */
#include "http/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "firered/picture.h"
#include "image/encode.h"
#include "support/child.h"
#include "support/files.h"

void sleep_ms(int ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

int64_t now_ms(void) {
    return clock_now() / 1000000;
}

/* ---- the process ---- */

static void *read_log(void *arg) {
    struct server_process *s = arg;
    char bytes[4096];
    ssize_t n;
    while ((n = read(s->log_fd, bytes, sizeof bytes)) > 0) {
        pthread_mutex_lock(&s->lock);
        buffer_append(&s->log, bytes, (size_t)n, NULL);
        pthread_mutex_unlock(&s->lock);
    }
    atomic_store(&s->ended, true);
    return NULL;
}

static const char *program(void) {
    const char *chosen = getenv("FIRERED_SERVER");
    return chosen ? chosen : FAKE_SERVER;
}

bool server_is_real(void) {
    return getenv("FIRERED_SERVER") != NULL;
}

const char *server_model(void) {
    const char *id = getenv("MODEL_ID"), *slash = id ? strrchr(id, '/') : NULL;
    return !server_is_real() ? "fake-model" : slash ? slash + 1 : id ? id : "demo";
}

struct start {
    const char *const *environment;
    const char *dir;
    int log_fd;
};

static void become_server(void *arg) {
    const struct start *start = arg;
    const char *const *environment = start->environment;
    setenv("HOST", "127.0.0.1", 1);
    setenv("PORT", "0", 1);
    setenv("LOG_FORMAT", "text", 1);
    setenv("FAKE_DIR", start->dir, 1);
    for (; environment && *environment; environment++) putenv((char *)*environment);
    dup2(start->log_fd, STDERR_FILENO);
    if (getenv("TEST_PASS_SOCKET")) { /* as systemd does: descriptor 3, and whom it is for */
        char pid[16];
        snprintf(pid, sizeof pid, "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        dup2(atoi(getenv("TEST_PASS_SOCKET")), 3);
    }
    if (chdir(start->dir) != 0) _exit(126);
    /* The real program takes `serve`; the stand-in's configuration ignores the difference. */
    if (server_is_real())
        execl(program(), "firered", "serve", (char *)NULL);
    else
        execl(program(), "firered_fake_server", (char *)NULL);
    _exit(127);
}

static void spawn(struct server_process *s, const char *const *environment) {
    int log[2];
    *s = (struct server_process){0};
    pthread_mutex_init(&s->lock, NULL);
    s->dir = temporary_folder();
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    s->pid = child_fork(become_server, &(struct start){environment, s->dir, log[1]});
    close(log[1]);
    s->log_fd = log[0];
    assert_int_equal(pthread_create(&s->reader, NULL, read_log, s), 0);
}

char *server_log(struct server_process *s) {
    pthread_mutex_lock(&s->lock);
    char *copy = strdup(s->log.data ? s->log.data : "");
    pthread_mutex_unlock(&s->lock);
    return copy;
}

bool server_logged(struct server_process *s, const char *text) {
    char *log = server_log(s);
    bool found = strstr(log, text) != NULL;
    free(log);
    return found;
}

/* Until the server has logged the text: true; or has ended without: false. */
static bool logs(struct server_process *s, const char *text) {
    int64_t until = now_ms() + HANG_SECONDS * 1000;
    for (;;) {
        bool ended = atomic_load(&s->ended); /* asked first: what it logged last counts */
        if (server_logged(s, text)) return true;
        if (ended) return false;
        if (now_ms() > until) {
            char *log = server_log(s);
            print_error("never logged: %s\n%s\n", text, log);
            free(log);
            fail_msg("waited for too long");
        }
        sleep_ms(2);
    }
}

void server_wait_log(struct server_process *s, const char *text) {
    if (logs(s, text)) return;
    char *log = server_log(s);
    print_error("ended without logging: %s\n%s\n", text, log);
    free(log);
    fail_msg("the server has ended");
}

void server_start(struct server_process *s, const char *const *environment) {
    spawn(s, environment);
    server_wait_log(s, " listening ");
    char *log = server_log(s), *at = strstr(log, " listening ");
    at = strstr(at, "port=");
    assert_non_null(at);
    s->port = atoi(at + 5);
    free(log);
}

bool server_gets_ready(struct server_process *s, const char *const *environment) {
    spawn(s, environment);
    return logs(s, " ready ");
}

void server_start_ready(struct server_process *s, const char *const *environment) {
    server_start(s, environment);
    server_wait_log(s, " ready ");
}

static void clean(struct server_process *s) {
    pthread_join(s->reader, NULL);
    close(s->log_fd);
    remove_folder(s->dir);
}

static int wait_end(struct server_process *s) {
    int status = child_end(s->pid, HANG_SECONDS);
    clean(s);
    return status;
}

void server_signal(struct server_process *s, int signal) {
    kill(s->pid, signal);
}

int server_stop(struct server_process *s, int signal) {
    if (signal) kill(s->pid, signal);
    int status = wait_end(s);
    bool clean_log = !s->log.data ||
                     (!strstr(s->log.data, "Sanitizer") && !strstr(s->log.data, "runtime error"));
    if (!clean_log || (status != 0 && status < 128))
        fprintf(stderr, "status %d, log:\n%s\n", status, s->log.data ? s->log.data : "");
    buffer_free(&s->log);
    assert_true(clean_log);
    return status;
}

int server_fails(const char *const *environment, char *log, size_t size) {
    struct server_process s;
    spawn(&s, environment);
    int status = wait_end(&s);
    snprintf(log, size, "%s", s.log.data ? s.log.data : "");
    buffer_free(&s.log);
    return status;
}

void server_release(struct server_process *s, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

double server_metric(struct server_process *s, const char *name) {
    struct answer a;
    http_get(s, "/metrics", &a);
    assert_int_equal(a.status, 200);
    double value = 0;
    size_t n = strlen(name);
    for (const char *line = a.body.data; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ' ') value = atof(line + n);
    answer_free(&a);
    return value;
}

void server_wait_metric(struct server_process *s, const char *name, double value) {
    int64_t until = now_ms() + HANG_SECONDS * 1000;
    double last;
    while ((last = server_metric(s, name)) != value) {
        if (now_ms() > until) {
            print_error("%s stays %g, not %g\n", name, last, value);
            fail_msg("waited for too long");
        }
        sleep_ms(5);
    }
}

/* ---- answers ---- */

const char *answer_header(const struct answer *a, const char *name) {
    static _Thread_local char values[8][1024];
    static _Thread_local int slot;
    size_t n = strlen(name);
    for (const char *line = a->head.data; line && *line;
         line = strstr(line, "\r\n") ? strstr(line, "\r\n") + 2 : NULL) {
        if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
        const char *value = line + n + 1;
        value += strspn(value, " ");
        char *out = values[slot++ % 8];
        snprintf(out, sizeof values[0], "%.*s", (int)strcspn(value, "\r"), value);
        return out;
    }
    return NULL;
}

void answer_free(struct answer *a) {
    buffer_free(&a->head);
    buffer_free(&a->body);
}

const char *answer_string(const struct answer *a, const char *key) {
    static _Thread_local char values[8][1024];
    static _Thread_local int slot;
    char *out = values[slot++ % 8];
    json_t *root = json_loadb(a->body.data ? a->body.data : "", a->body.size, 0, NULL);
    const char *value = json_string_value(json_object_get(root, key));
    snprintf(out, sizeof values[0], "%s", value ? value : "");
    json_decref(root);
    return out;
}

void assert_error(const struct answer *a, int status, const char *code) {
    if (a->status != status || strcmp(answer_string(a, "error"), code) != 0)
        print_error("wanted %d %s, got %d %s\n", status, code, a->status,
                    a->body.data ? a->body.data : "");
    assert_int_equal(a->status, status);
    assert_string_equal(answer_string(a, "error"), code);
    const char *detail = answer_string(a, "detail");
    assert_true(strlen(detail) > 0);
    assert_null(strstr(detail, "/secret"));
    for (const char *at = detail; (at = strstr(at, "0x")); at += 2)
        assert_true(at > detail && at[-1] >= '0' && at[-1] <= '9'
                        ? true
                        : strspn(at + 2, "0123456789abcdefABCDEF") < 4);
    assert_string_equal(answer_header(a, "Content-Type"), "application/json");
    assert_non_null(answer_header(a, "X-Request-ID"));
    assert_string_equal(answer_string(a, "request_id"), answer_header(a, "X-Request-ID"));
}

/* ---- forms ---- */

void form_raw(struct form *f, const char *text) {
    buffer_append(&f->body, text, strlen(text), NULL);
}

void form_bytes(struct form *f, const char *name, const void *value, size_t size) {
    buffer_printf(&f->body, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n",
                  name);
    buffer_append(&f->body, value, size, NULL);
    form_raw(f, "\r\n");
}

void form_field(struct form *f, const char *name, const char *value) {
    form_bytes(f, name, value, strlen(value));
}

void form_file(struct form *f, const char *name, const char *filename, const void *bytes,
               size_t size) {
    buffer_printf(&f->body,
                  "--" BOUNDARY
                  "\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n"
                  "Content-Type: application/octet-stream\r\n\r\n",
                  name, filename);
    buffer_append(&f->body, bytes, size, NULL);
    form_raw(f, "\r\n");
}

void form_end(struct form *f) {
    form_raw(f, "--" BOUNDARY "--\r\n");
}

void form_free(struct form *f) {
    buffer_free(&f->body);
}

void make_png(struct buffer *out, int width, int height) {
    size_t n = (size_t)width * (size_t)height * 3;
    struct picture p = {width, height, malloc(n)};
    assert_non_null(p.rgb);
    for (size_t i = 0; i < n; i++) p.rgb[i] = (uint8_t)(i * 7);
    assert_int_equal(picture_encode(out, &p, PICTURE_PNG, NULL), STATUS_OK);
    free(p.rgb);
}

void form_edit(struct form *f, const char *prompt, ...) {
    struct buffer png = {0};
    *f = (struct form){0};
    make_png(&png, 48, 32);
    form_file(f, "image", "a.png", png.data, png.size);
    buffer_free(&png);
    form_field(f, "prompt", prompt);
    va_list args;
    va_start(args, prompt);
    for (const char *name; (name = va_arg(args, const char *));)
        form_field(f, name, va_arg(args, const char *));
    va_end(args);
    form_end(f);
}

/* ---- raw connections ---- */

int raw_connect(struct server_process *s) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval hang = {.tv_sec = HANG_SECONDS};
    int yes = 1;
    assert_true(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof hang);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &hang, sizeof hang);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool raw_try_send(int fd, const void *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t n = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

void raw_send(int fd, const void *bytes, size_t size) {
    assert_true(raw_try_send(fd, bytes, size));
}

void raw_text(int fd, const char *text) {
    raw_send(fd, text, strlen(text));
}

void raw_post_head(int fd, const char *headers, size_t content_length) {
    struct buffer head = {0};
    buffer_printf(
        &head,
        "POST /edit HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=" BOUNDARY
        "\r\nContent-Length: %zu\r\n%s\r\n",
        content_length, headers ? headers : "");
    raw_send(fd, head.data, head.size);
    buffer_free(&head);
}

void raw_post_form(int fd, struct form *f) {
    raw_post_head(fd, NULL, f->body.size);
    raw_send(fd, f->body.data, f->body.size);
    form_free(f);
}

/* Byte by byte to the blank line, so that nothing of a next answer is taken. */
static bool read_head(int fd, struct buffer *head) {
    char c;
    while (recv(fd, &c, 1, 0) == 1) {
        buffer_append(head, &c, 1, NULL);
        if (head->size >= 4 && memcmp(head->data + head->size - 4, "\r\n\r\n", 4) == 0) return true;
    }
    return false;
}

void raw_read_answer_counting(int fd, struct answer *out, int *interim) {
    *out = (struct answer){0};
    for (;;) {
        buffer_free(&out->head);
        if (!read_head(fd, &out->head)) return;
        assert_int_equal(sscanf(out->head.data, "HTTP/1.%*d %d", &out->status), 1);
        if (out->status >= 200) break;
        if (interim) ++*interim;
    }
    const char *length = answer_header(out, "Content-Length");
    size_t left = length ? strtoul(length, NULL, 10) : 0;
    while (left) {
        char bytes[65536];
        ssize_t n = recv(fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        if (n <= 0) break;
        buffer_append(&out->body, bytes, (size_t)n, NULL);
        left -= (size_t)n;
    }
    const char *connection = answer_header(out, "Connection");
    out->closed = connection && strcasecmp(connection, "close") == 0;
}

void raw_read_head(int fd, struct answer *out) {
    *out = (struct answer){0};
    if (read_head(fd, &out->head))
        assert_int_equal(sscanf(out->head.data, "HTTP/1.%*d %d", &out->status), 1);
}

void raw_read_answer(int fd, struct answer *out) {
    raw_read_answer_counting(fd, out, NULL);
}

bool raw_wait_close(int fd) {
    char bytes[65536];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) continue;
    return n == 0 || errno == ECONNRESET;
}

/* ---- requests ---- */

void http_request(struct server_process *s, const char *method, const char *path,
                  const char *headers, const void *body, size_t size, struct answer *out) {
    struct buffer head = {0};
    int fd = raw_connect(s);
    assert_true(fd >= 0);
    buffer_printf(&head, "%s %s HTTP/1.1\r\nHost: test\r\n%s", method, path,
                  headers ? headers : "");
    if (body) buffer_printf(&head, "Content-Length: %zu\r\n", size);
    buffer_printf(&head, "\r\n");
    raw_send(fd, head.data, head.size);
    buffer_free(&head);
    if (body) (void)raw_try_send(fd, body, size); /* a refusal may come before it is all sent */
    if (strcmp(method, "HEAD") == 0)
        raw_read_head(fd, out);
    else
        raw_read_answer(fd, out);
    close(fd);
}

void raw_expect_health(int fd) {
    struct answer a;
    raw_read_answer(fd, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_string(&a, "status"), "ok");
    answer_free(&a);
}

void raw_expect_error(int fd, int status, const char *code, bool closed) {
    struct answer a;
    raw_read_answer(fd, &a);
    assert_error(&a, status, code);
    assert_int_equal(a.closed, closed);
    answer_free(&a);
}

void raw_expect_edit(int fd) {
    struct answer a;
    raw_read_answer(fd, &a);
    if (a.status != 200) fail_msg("%d %s", a.status, a.body.data ? a.body.data : "");
    answer_free(&a);
}

void http_get(struct server_process *s, const char *path, struct answer *out) {
    http_request(s, "GET", path, NULL, NULL, 0, out);
}

void http_post_form(struct server_process *s, struct form *f, struct answer *out) {
    http_request(s, "POST", "/edit", "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n",
                 f->body.data, f->body.size, out);
    form_free(f);
}

void http_edit(struct server_process *s, const char *prompt, struct answer *out) {
    struct form f;
    form_edit(&f, prompt, NULL);
    http_post_form(s, &f, out);
}
