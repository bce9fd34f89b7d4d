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

struct run {
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

static enum status start_library(struct run *run, struct error *err) {
    struct server *s = &run->server;
    /* clang-format off */
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_log, s}, /* first: it tells of the others */
        {MHD_OPTION_LISTEN_SOCKET, run->listener, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)dispatch_completed, s},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)dispatch_connection, s},
        {MHD_OPTION_CONNECTION_LIMIT, affordable_connections(s->limits.connections), NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, s->limits.connections_per_address, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, s->limits.silence_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)s->limits.head_bytes, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* clang-format on */
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, dispatch_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!s->daemon) return fail(err, STATUS_IO, "cannot start the HTTP server");
    run->listener = -1; /* the library's until it is told to stop listening */
    return STATUS_OK;
}

static void *load(void *arg) {
    struct run *run = arg;
    uint64_t one = 1;
    run->load_status = service_load(run->server.service, &run->load_error);
    if (run->load_status == STATUS_OK) notify_manager("READY=1");
    ssize_t wrote = write(run->loaded, &one, sizeof one);
    (void)wrote; /* an eventfd that is not full takes it */
    return NULL;
}

static int next_signal(struct run *run) {
    struct signalfd_siginfo info;
    return read(run->signals, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

/* Until a signal asks to stop.  A model that does not load is an error. */
static enum status serve(struct run *run, struct error *err) {
    struct pollfd fds[] = {{run->signals, POLLIN, 0}, {run->loaded, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return fail(err, STATUS_IO, "cannot wait for signals: %s", strerror(errno));
        if (fds[1].revents & POLLIN) {
            pthread_join(run->loader, NULL);
            run->loading = false;
            if (run->load_status != STATUS_OK) {
                if (err) *err = run->load_error;
                return run->load_status;
            }
            fds[1].fd = -1;
            fds[1].revents = 0;
        }
        int signal = fds[0].revents & POLLIN ? next_signal(run) : 0;
        if (!signal) continue;
        log_event(run->server.log, LOG_INFO, "stopping",
                  LOG_STR("signal", signal == SIGINT ? "SIGINT" : "SIGTERM"));
        return STATUS_OK;
    }
}

/* Sleeps a little; a further signal ends the process. */
static void wait_or_die(struct run *run) {
    struct pollfd fd = {run->signals, POLLIN, 0};
    if (poll(&fd, 1, 10) <= 0) return;
    int signal = next_signal(run);
    if (!signal) return;
    log_event(run->server.log, LOG_WARN, "stopped at once by a second signal",
              LOG_INT("signal", signal));
    _exit(128 + signal);
}

/* No new connections; what waits is told so, what runs may end (each edit has its own deadline),
 * what is answered may reach its client. */
static void drain(struct run *run) {
    struct server *s = &run->server;
    notify_manager("STOPPING=1");
    run->listener = MHD_quiesce_daemon(s->daemon);
    /* Not closed yet: the library's thread may still look at it.  A socket that was passed to us
     * goes on listening, for who comes after us. */
    if (!run->passed) shutdown(run->listener, SHUT_RDWR);
    if (service_state(s->service) == SERVICE_LOADING && run->loading) {
        log_event(s->log, LOG_INFO, "stopped while the model was loading",
                  LOG_STR("model", service_model_name(s->service)));
        _exit(0);
    }
    service_stop(s->service);
    for (int running = 1; running;) {
        service_count(s->service, NULL, &running);
        if (running) wait_or_die(run);
    }
    int64_t until = clock_now() + s->limits.flush_seconds * NANOSECONDS;
    while (atomic_load(&s->requests) > 0 && clock_now() < until) wait_or_die(run);
    event_streams_end(s->streams);
}

static void run_close(struct run *run) {
    struct server *s = &run->server;
    if (run->loading) pthread_join(run->loader, NULL);
    if (s->daemon) MHD_stop_daemon(s->daemon);
    service_destroy(s->service);
    clients_destroy(s->clients);
    event_streams_destroy(s->streams);
    if (run->listener >= 0) close(run->listener);
    if (run->loaded >= 0) close(run->loaded);
    if (run->signals >= 0) close(run->signals);
}

static enum status run_open(struct run *run, const char *model, const char *model_name,
                            struct error *err) {
    struct server *s = &run->server;
    enum status e = listener_open(&run->listener, s->config->host, &run->port, &run->passed, err);
    if (e == STATUS_OK) e = service_create(&s->service, s->config, model, model_name, s->log, err);
    if (e == STATUS_OK) e = clients_create(&s->clients, &s->limits, err);
    if (e == STATUS_OK) e = event_streams_create(&s->streams, s->limits.heartbeat_seconds, err);
    if (e == STATUS_OK) e = start_library(run, err);
    if (e != STATUS_OK) return e;
    log_event(s->log, LOG_INFO, "listening", LOG_STR("host", s->config->host),
              LOG_INT("port", run->port));
    if (pthread_create(&run->loader, NULL, load, run) != 0)
        return fail(err, STATUS_IO, "cannot start the thread that loads the model");
    run->loading = true;
    return STATUS_OK;
}

enum status server_run_with(const struct config *config, const char *model, const char *model_name,
                            const struct limits *limits, const struct route *more,
                            const struct log *log, struct error *err) {
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    signal(SIGPIPE, SIG_IGN);

    struct run run = {.server = {.config = config,
                                 .log = log,
                                 .limits = *limits,
                                 .more_routes = more,
                                 .started = time(NULL)},
                      .listener = -1,
                      .port = config->port};
    run.signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    run.loaded = eventfd(0, EFD_CLOEXEC);
    enum status s =
        run.signals >= 0 && run.loaded >= 0
            ? run_open(&run, model, model_name, err)
            : fail(err, STATUS_IO, "cannot open the server's own descriptors: %s", strerror(errno));
    if (s == STATUS_OK) {
        s = serve(&run, err);
        drain(&run);
    }
    run_close(&run);
    if (s == STATUS_OK) log_event(log, LOG_INFO, "stopped", LOG_INT("port", run.port));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s;
}

enum status server_run(const struct config *config, const char *model, const char *model_name,
                       const struct log *log, struct error *err) {
    struct limits limits = limits_default();
    return server_run_with(config, model, model_name, &limits, NULL, log, err);
}
