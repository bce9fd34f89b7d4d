/*
 * Whole connections through the listener, the HTTP library and every route, with the stand-in engine
 * behind: no crash; what comes back is HTTP, and no fault of the server; and it goes on answering.
 *
 * The first byte says in what pieces the rest is sent; 0: at once.  The server runs in a thread of
 * this process.  Nothing waits for a connection's end: a reset ends it, so that a request which is
 * not complete costs milliseconds only.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/options.h"
#include "http/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_MS = 3, PATIENCE_MS = 60000 };

static pthread_t server;
static int log_fd, port;

static void *serve(void *arg) {
    struct config config;
    struct args no_flags = {0};
    struct error err;
    struct limits limits = limits_default();
    struct log log = {.min_level = LOG_INFO, .fd = log_fd};
    (void)arg;
    if (config_read(&config, OPTION_SERVE, &no_flags, &err) != STATUS_OK ||
        server_run_with(&config, "fake", "fake-model", NULL, &limits, NULL, &log, &err) !=
            STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    config_free(&config);
    return NULL;
}

static void stop(void) {
    pthread_kill(server, SIGTERM);
    pthread_join(server, NULL);
}

static bool is_ready(void) {
    static char text[8192];
    const char *listening;
    ssize_t n = pread(log_fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    listening = strstr(text, " listening ");
    if (!listening || !strstr(text, " ready ")) return false;
    sscanf(strstr(listening, "port="), "port=%d", &port);
    return true;
}

static void start(void) {
    static const char *const settings[][2] = {
        {"HOST", "127.0.0.1"},      {"PORT", "0"},
        {"LOG_FORMAT", "text"},     {"CORS_ORIGINS", "https://a.example"},
        {"MAX_UPLOAD_MB", "1"},     {"MAX_STEPS", "3"},
        {"MAX_QUEUE", "4"},         {"TIMEOUT_SECONDS", "1"},
        {"RESULT_TTL_SECONDS", "1"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setenv(settings[i][0], settings[i][1], 1);
    log_fd = memfd_create("log", MFD_CLOEXEC);
    if (log_fd < 0 || pthread_create(&server, NULL, serve, NULL) != 0) abort();
    for (int i = 0; !is_ready(); i++) {
        if (i * 10 > PATIENCE_MS) abort();
        poll(NULL, 0, 10);
    }
    FILE *nowhere = fopen("/dev/null", "w");
    if (!nowhere) abort();
    dup2(fileno(nowhere), log_fd); /* what it says from now on */
    fclose(nowhere);
    atexit(stop);
}

static int dial(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger reset = {.l_onoff = 1};
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) abort();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

static void say(int fd, const char *bytes, size_t size, size_t piece) {
    for (size_t at = 0; at < size;) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t sent = send(fd, bytes + at, n, MSG_NOSIGNAL);
        if (sent <= 0) return; /* it was refused, and may be read all the same */
        at += (size_t)sent;
    }
}

/* What comes until nothing has come for so long. */
static size_t hear(int fd, char *out, size_t room, int patience_ms) {
    size_t size = 0;
    for (ssize_t n; size < room; size += (size_t)n) {
        struct pollfd readable = {fd, POLLIN, 0};
        if (poll(&readable, 1, patience_ms) <= 0) break;
        n = recv(fd, out + size, room - size, 0);
        if (n <= 0) break;
    }
    return size;
}

static void check(const char *answer, size_t size) {
    int status;
    if (size < 16) return;
    if (sscanf(answer, "HTTP/1.1 %3d ", &status) != 1 || status < 100 || status > 505 ||
        status == 500) {
        fprintf(stderr, "answered: %.200s\n", answer);
        abort();
    }
}

static void check_health(void) {
    static const char get[] = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char answer[1025];
    int fd = dial();
    say(fd, get, sizeof get - 1, sizeof get);
    size_t n = hear(fd, answer, sizeof answer - 1, PATIENCE_MS);
    answer[n] = '\0';
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0) abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { HEALTH_EVERY = 200 };
    static unsigned runs;
    char answer[4097];
    if (!port) start();
    if (size < 2) return 0;
    int fd = dial();
    say(fd, (const char *)data + 1, size - 1, data[0] ? data[0] : size);
    size_t n = hear(fd, answer, sizeof answer - 1, ANSWER_MS);
    answer[n] = '\0';
    check(answer, n);
    close(fd);
    if (runs++ % HEALTH_EVERY == 0) check_health();
    return 0;
}
