/*
 * The server's life: socket, library, loader, signal, end.  The main thread does nothing but wait
 * for a signal or for the loader to fail; requests belong to the library's thread, edits to the
 * queue's workers, the model's loading to a thread of its own.
 */
#include "http/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/dispatch.h"
#include "http/listener.h"
#include "http/request.h"

struct serving {
    struct server server;
    int listener, port;
    bool passed; /* the listener is the service manager's */
    int signals; /* signalfd */
    int loaded;  /* eventfd: the loader has ended */
    pthread_t loader;
    bool loading;
    enum status load_status;
    struct error load_error;
};

static void on_library_log(void *cls, const char *format, va_list args) {
    char line[512];
    vsnprintf(line, sizeof line, format, args);
    size_t n = strlen(line);
    while (n && line[n - 1] == '\n') line[--n] = '\0';
    log_event(((struct server *)cls)->log, LOG_DEBUG, "http library", LOG_STR("says", line));
}

/* Connections need descriptors: take what the system grants, and promise no more than that. */
static int affordable_connections(int wanted) {
    enum { OTHERS = 64 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
    rlim_t need = (rlim_t)wanted + OTHERS;
    if (files.rlim_cur < need) {
        files.rlim_cur = files.rlim_max < need ? files.rlim_max : need;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= need) return wanted;
    return files.rlim_cur > 2 * OTHERS ? (int)(files.rlim_cur - OTHERS) : OTHERS;
}

static enum status start_library(struct serving *serving, struct error *err) {
    struct server *s = &serving->server;
    /* clang-format off */
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_log, s}, /* first: it tells of the others */
        {MHD_OPTION_LISTEN_SOCKET, serving->listener, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)dispatch_completed, s},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)dispatch_connection, s},
        {MHD_OPTION_CONNECTION_LIMIT, affordable_connections(s->limits.connections), NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, s->limits.connections_per_address, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, s->limits.silence_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, 2 * (intptr_t)s->limits.head_bytes, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)dispatch_unescape, s},
        {MHD_OPTION_END, 0, NULL},
    };
    /* clang-format on */
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, dispatch_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!s->daemon) return fail(err, STATUS_IO, "cannot start the HTTP server");
    serving->listener = -1; /* the library's until it is told to stop listening */
    return STATUS_OK;
}

static void *load(void *arg) {
    struct serving *serving = arg;
    uint64_t one = 1;
    serving->load_status = service_load(serving->server.service, &serving->load_error);
    if (serving->load_status == STATUS_OK) notify_manager("READY=1");
    ssize_t wrote = write(serving->loaded, &one, sizeof one);
    (void)wrote; /* an eventfd that is not full takes it */
    return NULL;
}

static int next_signal(struct serving *serving) {
    struct signalfd_siginfo info;
    return read(serving->signals, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo
                                                                              : 0;
}

enum { LOOK_MS = 500 }; /* how often somebody looks whether the device is still there */

/* Until a signal asks to stop.  A model that does not load is an error, and so is a device that is
 * lost: what starts this process again then helps. */
static enum status serve(struct serving *serving, struct error *err) {
    struct pollfd fds[] = {{serving->signals, POLLIN, 0}, {serving->loaded, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, LOOK_MS) < 0 && errno != EINTR)
            return fail(err, STATUS_IO, "cannot wait for signals: %s", strerror(errno));
        enum status s = service_check_device(serving->server.service, err);
        if (s != STATUS_OK) return s;
        if (fds[1].revents & POLLIN) {
            pthread_join(serving->loader, NULL);
            serving->loading = false;
            if (serving->load_status != STATUS_OK) {
                if (err) *err = serving->load_error;
                return serving->load_status;
            }
            fds[1].fd = -1;
            fds[1].revents = 0;
        }
        int signal = fds[0].revents & POLLIN ? next_signal(serving) : 0;
        if (!signal) continue;
        log_event(serving->server.log, LOG_INFO, "stopping",
                  LOG_STR("signal", signal == SIGINT ? "SIGINT" : "SIGTERM"));
        return STATUS_OK;
    }
}

/* Sleeps a little; a further signal ends the process. */
static void wait_or_die(struct serving *serving) {
    struct pollfd fd = {serving->signals, POLLIN, 0};
    if (poll(&fd, 1, 10) <= 0) return;
    int signal = next_signal(serving);
    if (!signal) return;
    log_event(serving->server.log, LOG_WARN, "stopped at once by a second signal",
              LOG_INT("signal", signal));
    _exit(128 + signal);
}

/* No new connections; what waits is told so, what runs may end (each edit has its own deadline),
 * what is answered may reach its client. */
static void drain(struct serving *serving) {
    struct server *s = &serving->server;
    notify_manager("STOPPING=1");
    serving->listener = MHD_quiesce_daemon(s->daemon);
    /* Not closed yet: the library's thread may still look at it.  A socket that was passed to us
     * goes on listening, for who comes after us. */
    if (!serving->passed) shutdown(serving->listener, SHUT_RDWR);
    if (service_state(s->service) == SERVICE_LOADING && serving->loading) {
        log_event(s->log, LOG_INFO, "stopped while the model was loading",
                  LOG_STR("model", service_model_name(s->service)));
        _exit(0);
    }
    service_stop(s->service);
    for (int running = 1; running;) {
        queue_count(service_queue(s->service), NULL, &running);
        if (running) wait_or_die(serving);
    }
    int64_t until = clock_now() + s->limits.flush_seconds * NANOSECONDS;
    while (atomic_load(&s->requests) > 0 && clock_now() < until) wait_or_die(serving);
    event_streams_end(s->streams);
}

static void serving_close(struct serving *serving) {
    struct server *s = &serving->server;
    if (serving->loading) pthread_join(serving->loader, NULL);
    if (s->daemon) MHD_stop_daemon(s->daemon);
    service_destroy(s->service);
    clients_destroy(s->clients);
    event_streams_destroy(s->streams);
    if (serving->listener >= 0) close(serving->listener);
    if (serving->loaded >= 0) close(serving->loaded);
    if (serving->signals >= 0) close(serving->signals);
}

static enum status serving_open(struct serving *serving, const char *model, const char *model_name,
                                const struct model_fetch *fetch, struct error *err) {
    struct server *s = &serving->server;
    enum status e =
        listener_open(&serving->listener, s->config->host, s->config->host_from_environment,
                      &serving->port, &serving->passed, err);
    bool local = e == STATUS_OK && listener_is_local(serving->listener);
    if (e == STATUS_OK) e = service_create(&s->service, s->config, model, model_name, s->log, err);
    if (e == STATUS_OK && fetch) service_fetch_first(s->service, fetch);
    if (e == STATUS_OK) e = clients_create(&s->clients, &s->limits, err);
    if (e == STATUS_OK) e = event_streams_create(&s->streams, s->limits.heartbeat_seconds, err);
    if (e == STATUS_OK) e = start_library(serving, err);
    if (e != STATUS_OK) return e;
    log_event(s->log, LOG_INFO, "listening", LOG_STR("host", s->config->host),
              LOG_INT("port", serving->port));
    if (!s->config->api_key && !local)
        log_event(s->log, LOG_WARN, "anybody who reaches this address may edit: set API_KEY",
                  LOG_STR("host", s->config->host));
    if (pthread_create(&serving->loader, NULL, load, serving) != 0)
        return fail(err, STATUS_IO, "cannot start the thread that loads the model");
    serving->loading = true;
    return STATUS_OK;
}

enum status server_run_with(const struct config *config, const char *model, const char *model_name,
                            const struct model_fetch *fetch, const struct limits *limits,
                            const struct route *more, const struct log *log, struct error *err) {
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    static const int harmless[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) signal(harmless[i], SIG_IGN);

    struct serving serving = {.server = {.config = config,
                                         .log = log,
                                         .limits = *limits,
                                         .more_routes = more,
                                         .started = time(NULL)},
                              .listener = -1,
                              .port = config->port};
    serving.signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    serving.loaded = eventfd(0, EFD_CLOEXEC);
    enum status s =
        serving.signals >= 0 && serving.loaded >= 0
            ? serving_open(&serving, model, model_name, fetch, err)
            : fail(err, STATUS_IO, "cannot open the server's own descriptors: %s", strerror(errno));
    if (s == STATUS_OK) {
        s = serve(&serving, err);
        drain(&serving);
    }
    serving_close(&serving);
    if (s == STATUS_OK) log_event(log, LOG_INFO, "stopped", LOG_INT("port", serving.port));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s;
}

enum status server_run(const struct config *config, const char *model, const char *model_name,
                       const struct model_fetch *fetch, const struct log *log, struct error *err) {
    struct limits limits = limits_default();
    return server_run_with(config, model, model_name, fetch, &limits, NULL, log, err);
}
