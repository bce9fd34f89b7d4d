/*
 * A list under one mutex and an epoll set.  In the set are all clients, for their end only (what
 * they send is the library's to read), and the sockets that linger: duplicates of the library's
 * descriptor, so that its close does not end the connection.  Events carry a serial number, not a
 * pointer: whoever it meant may be gone by the time it is read.
 *
 * The library, too, overlooks an end that comes together with the last bytes (it waits for the next
 * edge, which never comes).  Shutting down the reading half of such a socket loses nothing and
 * makes that edge.
 */
#include "http/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"

enum { MAX_LINGERING = 64, SWEEP_MS = 250, NUDGE_MS = 200, ASK_MS = 1000 };

struct client {
    struct clients *all;
    struct list_link link;
    uint64_t serial;
    int fd;
    int64_t deadline; /* 0: none */
    int64_t ask;      /* when to find out whether the peer is still there, 0: not */
    int64_t nudge;    /* when to shut the reading half down, 0: not */
    void (*gone)(void *arg);
    void *arg;
    bool probe; /* how client_watch was called */
    bool refused;
};

struct lingering {
    uint64_t serial; /* 0: the place is free */
    int fd;
    int64_t deadline;
};

struct clients {
    struct limits limits;
    pthread_mutex_t lock;
    struct list members;
    uint64_t last_serial;
    struct lingering lingering[MAX_LINGERING];
    int epoll, wake;
    atomic_bool stop;
    bool started;
    pthread_t thread;
};

static void end_lingering(struct lingering *l) {
    close(l->fd); /* which takes it out of the set, too: nobody else has this descriptor */
    l->serial = 0;
}

/* Throws away some of what has come: not all, lest a fast sender keeps the thread.  False: the
 * connection is over. */
static bool discard(int fd) {
    char bytes[65536];
    for (int i = 0; i < 16; i++) {
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    }
    return true;
}

static struct client *client_of(struct list_link *link) {
    return CONTAINER_OF(link, struct client, link);
}

/* The end of a connection and of its sending half look alike.  A peer that has closed answers what
 * is sent to it with a reset, which is an event of its own. */
static void on_end(struct client *c, uint32_t events) {
    if (events & (EPOLLHUP | EPOLLERR)) {
        if (c->gone) c->gone(c->arg);
        c->gone = NULL;
        return;
    }
    struct epoll_event reset = {.events = EPOLLONESHOT, .data.u64 = c->serial};
    epoll_ctl(c->all->epoll, EPOLL_CTL_MOD, c->fd, &reset);
    /* Most edits that are left at half are answered before it is time to ask. */
    c->ask = clock_now() + ASK_MS * (NANOSECONDS / 1000);
    c->nudge = clock_now() + NUDGE_MS * (NANOSECONDS / 1000);
}

static void on_event(struct clients *all, uint64_t serial, uint32_t events) {
    for (struct list_link *l = all->members.first; l; l = l->next) {
        struct client *c = client_of(l);
        if (c->serial != serial) continue;
        on_end(c, events);
        return;
    }
    for (int i = 0; i < MAX_LINGERING; i++)
        if (all->lingering[i].serial == serial && !discard(all->lingering[i].fd))
            end_lingering(&all->lingering[i]);
}

/* A peer that is gone is known by the reset that comes back. */
static void ask(const struct client *c) {
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!c->gone || !c->probe) return;
    ssize_t sent = send(c->fd, interim, sizeof interim - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

static void sweep(struct clients *all, int64_t now) {
    for (struct list_link *l = all->members.first; l; l = l->next) {
        struct client *c = client_of(l);
        if (c->ask && c->ask <= now) {
            ask(c);
            c->ask = 0;
        }
        if (c->nudge && c->nudge <= now) {
            shutdown(c->fd, SHUT_RD);
            c->nudge = 0;
        }
        if (c->deadline && c->deadline <= now) {
            shutdown(c->fd, SHUT_RDWR);
            c->deadline = 0;
        }
    }
    for (int i = 0; i < MAX_LINGERING; i++)
        if (all->lingering[i].serial && all->lingering[i].deadline <= now)
            end_lingering(&all->lingering[i]);
}

static void *watch(void *arg) {
    struct clients *all = arg;
    struct epoll_event events[64];
    while (!atomic_load(&all->stop)) {
        int n = epoll_wait(all->epoll, events, 64, SWEEP_MS);
        pthread_mutex_lock(&all->lock);
        for (int i = 0; i < n; i++)
            if (events[i].data.u64) on_event(all, events[i].data.u64, events[i].events);
        sweep(all, clock_now());
        pthread_mutex_unlock(&all->lock);
    }
    return NULL;
}

enum status clients_create(struct clients **out, const struct limits *limits, struct error *err) {
    *out = NULL;
    struct clients *all = calloc(1, sizeof *all);
    if (!all) return fail(err, STATUS_NO_MEMORY, "no memory for the list of clients");
    all->limits = *limits;
    pthread_mutex_init(&all->lock, NULL);
    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN};
    bool ok = all->epoll >= 0 && all->wake >= 0 &&
              epoll_ctl(all->epoll, EPOLL_CTL_ADD, all->wake, &wake) == 0;
    enum status s = STATUS_OK;
    if (!ok) s = fail(err, STATUS_IO, "cannot watch connections: %s", strerror(errno));
    if (ok) all->started = pthread_create(&all->thread, NULL, watch, all) == 0;
    if (ok && !all->started)
        s = fail(err, STATUS_IO, "cannot start the thread that watches connections");
    if (s != STATUS_OK) {
        clients_destroy(all);
        return s;
    }
    *out = all;
    return STATUS_OK;
}

void clients_destroy(struct clients *all) {
    if (!all) return;
    if (all->started) {
        uint64_t one = 1;
        atomic_store(&all->stop, true);
        ssize_t wrote = write(all->wake, &one, sizeof one);
        (void)wrote; /* it wakes by itself soon enough */
        pthread_join(all->thread, NULL);
    }
    for (int i = 0; i < MAX_LINGERING; i++)
        if (all->lingering[i].serial) end_lingering(&all->lingering[i]);
    if (all->epoll >= 0) close(all->epoll);
    if (all->wake >= 0) close(all->wake);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

int clients_count(struct clients *all) {
    pthread_mutex_lock(&all->lock);
    int n = all->members.count;
    pthread_mutex_unlock(&all->lock);
    return n;
}

struct client *client_add(struct clients *all, int fd) {
    struct client *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->all = all;
    c->fd = fd;
    pthread_mutex_lock(&all->lock);
    c->serial = ++all->last_serial;
    list_append(&all->members, &c->link);
    struct epoll_event end = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = c->serial};
    epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &end); /* should it fail, the time limits still hold */
    pthread_mutex_unlock(&all->lock);
    return c;
}

void client_remove(struct client *c) {
    if (!c) return;
    struct clients *all = c->all;
    pthread_mutex_lock(&all->lock);
    epoll_ctl(all->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    list_remove(&all->members, &c->link);
    pthread_mutex_unlock(&all->lock);
    free(c);
}

void client_allow(struct client *c, double seconds) {
    if (!c) return;
    pthread_mutex_lock(&c->all->lock);
    c->deadline = seconds > 0 ? clock_now() + (int64_t)(seconds * 1e9) : 0;
    pthread_mutex_unlock(&c->all->lock);
}

void client_watch(struct client *c, bool probe, void (*gone)(void *arg), void *arg) {
    if (!c) return;
    pthread_mutex_lock(&c->all->lock);
    c->gone = gone;
    c->arg = arg;
    c->probe = probe;
    struct epoll_event end = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = c->serial};
    epoll_ctl(c->all->epoll, EPOLL_CTL_MOD, c->fd,
              &end); /* an end that was already there is told again */
    pthread_mutex_unlock(&c->all->lock);
}

void client_unwatch(struct client *c) {
    if (!c) return;
    pthread_mutex_lock(&c->all->lock);
    c->gone = NULL;
    pthread_mutex_unlock(&c->all->lock);
}

void client_refuse(struct client *c) {
    if (!c) return;
    c->refused = true;
    discard(c->fd);
    client_linger(c);
    shutdown(c->fd, SHUT_RD); /* the library reads an end */
}

bool client_is_refused(const struct client *c) {
    return c && c->refused;
}

void client_linger(struct client *c) {
    if (!c) return;
    struct clients *all = c->all;
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return;
    shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&all->lock);
    struct lingering *l = NULL;
    for (int i = 0; i < MAX_LINGERING && !l; i++)
        if (!all->lingering[i].serial) l = &all->lingering[i];
    struct epoll_event more = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = all->last_serial + 1};
    if (l && epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &more) == 0)
        *l = (struct lingering){++all->last_serial, fd,
                                clock_now() + all->limits.linger_seconds * NANOSECONDS};
    else
        close(fd); /* too many at once: this client may miss its answer */
    pthread_mutex_unlock(&all->lock);
}
