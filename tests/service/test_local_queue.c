/* The queue alone: order, limits, deadlines, cancelling, closing, and many threads at once. */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "service/local_queue.h"

/* A job that runs until it is let go or asked to stop. */
struct task {
    struct edit_job job;
    void (*run)(struct task *t);
    atomic_bool running, go;
    atomic_int ended; /* how often */
    atomic_int end;
    atomic_int *order; /* shared counter */
    int place;
};

static char prompt[] = "p";

/* A queue and the threads that work it off. */
struct crew {
    struct local_queue *local;
    struct queue *queue;
    int count;
    pthread_t threads[3];
};

static void sleep_ms(int ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void run_until_let_go(struct task *t) {
    if (t->order) t->place = atomic_fetch_add(t->order, 1);
    atomic_store(&t->running, true);
    while (!atomic_load(&t->go) && !local_queue_stopping(&t->job)) sleep_ms(1);
}

static void done(struct edit_job *job) {
    struct task *t = CONTAINER_OF(job, struct task, job);
    atomic_store(&t->end, (int)job->outcome.end);
    atomic_fetch_add(&t->ended, 1);
}

static struct task task_of(int64_t seconds) {
    return (struct task){.job = {.request_id = "r",
                                 .deadline = clock_now() + seconds * NANOSECONDS,
                                 .done = done,
                                 .order = {.prompt = prompt}},
                         .run = run_until_let_go,
                         .end = -1};
}

static void *work(void *arg) {
    struct local_queue *local = arg;
    struct edit_job *job;
    while ((job = local_queue_take(local))) {
        struct task *t = CONTAINER_OF(job, struct task, job);
        if (!local_queue_stopping(job)) t->run(t);
        local_queue_finish(local, job);
    }
    return NULL;
}

static void wait_for(atomic_bool *flag) {
    while (!atomic_load(flag)) sleep_ms(1);
}

static void wait_end(struct task *t, enum edit_end end) {
    while (!atomic_load(&t->ended)) sleep_ms(1);
    assert_int_equal(atomic_load(&t->ended), 1);
    assert_int_equal(atomic_load(&t->end), (int)end);
}

static struct crew create(int workers, int max_waiting) {
    struct crew c = {.count = workers};
    assert_int_equal(local_queue_create(&c.local, workers, max_waiting, NULL, NULL), STATUS_OK);
    c.queue = local_queue_front(c.local);
    local_queue_open(c.local);
    for (int i = 0; i < workers; i++)
        assert_int_equal(pthread_create(&c.threads[i], NULL, work, c.local), 0);
    return c;
}

static void destroy(struct crew *c) {
    queue_close(c->queue);
    for (int i = 0; i < c->count; i++) pthread_join(c->threads[i], NULL);
    local_queue_destroy(c->local);
}

static void test_order(void **state) {
    (void)state;
    enum { N = 20 };
    struct task tasks[N];
    atomic_int order = 0;
    struct crew crew = create(1, N);
    for (int i = 0; i < N; i++) {
        tasks[i] = task_of(60);
        tasks[i].order = &order;
        assert_int_equal(queue_submit(crew.queue, &tasks[i].job), QUEUE_ACCEPTED);
    }
    for (int i = 0; i < N; i++) atomic_store(&tasks[i].go, true);
    for (int i = 0; i < N; i++) {
        wait_end(&tasks[i], EDIT_DONE);
        assert_int_equal(tasks[i].place, i);
        assert_true(tasks[i].job.started >= tasks[i].job.submitted);
    }
    destroy(&crew);
}

static void count_move(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Everybody moves up when one before him runs, gives up or times out, and that is reported. */
static void test_positions(void **state) {
    (void)state;
    enum { N = 4 };
    struct task tasks[N];
    atomic_int moves = 0;
    struct crew crew = create(1, N);
    queue_on_move(crew.queue, count_move, &moves);
    for (int i = 0; i < N; i++) {
        tasks[i] = task_of(60);
        assert_int_equal(queue_submit(crew.queue, &tasks[i].job), QUEUE_ACCEPTED);
        if (i == 0) wait_for(&tasks[0].running);
        assert_int_equal(queue_position(&tasks[i].job), i);
    }
    assert_int_equal(atomic_load(&moves), 1);
    queue_cancel(&tasks[1].job);
    assert_int_equal(atomic_load(&moves), 2);
    assert_int_equal(queue_position(&tasks[1].job), 0);
    assert_int_equal(queue_position(&tasks[2].job), 1);
    assert_int_equal(queue_position(&tasks[3].job), 2);
    atomic_store(&tasks[0].go, true);
    wait_for(&tasks[2].running);
    assert_int_equal(atomic_load(&moves), 3);
    assert_int_equal(queue_position(&tasks[2].job), 0);
    assert_int_equal(queue_position(&tasks[3].job), 1);
    for (int i = 0; i < N; i++) atomic_store(&tasks[i].go, true);
    destroy(&crew);
}

static void test_limit(void **state) {
    (void)state;
    struct task tasks[6];
    struct crew crew = create(2, 2);
    int waiting, running;
    for (int i = 0; i < 6; i++) {
        tasks[i] = task_of(60);
        assert_int_equal(queue_would_accept(crew.queue), i < 4 ? QUEUE_ACCEPTED : QUEUE_FULL);
        assert_int_equal(queue_submit(crew.queue, &tasks[i].job),
                         i < 4 ? QUEUE_ACCEPTED : QUEUE_FULL);
    }
    wait_for(&tasks[0].running);
    wait_for(&tasks[1].running);
    queue_count(crew.queue, &waiting, &running);
    assert_int_equal(waiting, 2);
    assert_int_equal(running, 2);
    atomic_store(&tasks[1].go, true);
    wait_for(&tasks[2].running);
    assert_int_equal(queue_submit(crew.queue, &tasks[4].job), QUEUE_ACCEPTED);
    for (int i = 0; i < 5; i++) atomic_store(&tasks[i].go, true);
    for (int i = 0; i < 5; i++) wait_end(&tasks[i], EDIT_DONE);
    assert_int_equal(atomic_load(&tasks[5].ended), 0); /* never taken, never ended */
    destroy(&crew);
}

/* Before anybody can work a job off, none is taken. */
static void test_not_open(void **state) {
    (void)state;
    struct local_queue *local;
    assert_int_equal(local_queue_create(&local, 1, 5, NULL, NULL), STATUS_OK);
    struct queue *queue = local_queue_front(local);
    struct task t = task_of(60);
    assert_int_equal(queue_would_accept(queue), QUEUE_NOT_READY);
    assert_int_equal(queue_submit(queue, &t.job), QUEUE_NOT_READY);
    queue_close(queue);
    assert_int_equal(queue_would_accept(queue), QUEUE_CLOSED);
    local_queue_open(local);
    assert_int_equal(queue_would_accept(queue), QUEUE_CLOSED);
    assert_null(local_queue_take(local));
    local_queue_destroy(local);
    assert_int_equal(atomic_load(&t.ended), 0);
}

static void test_cancel(void **state) {
    (void)state;
    struct task a = task_of(60), b = task_of(60), c = task_of(60);
    struct crew crew = create(1, 5);
    queue_submit(crew.queue, &a.job);
    wait_for(&a.running);
    queue_submit(crew.queue, &b.job);
    queue_submit(crew.queue, &c.job);
    queue_cancel(&b.job);
    assert_int_equal(atomic_load(&b.ended), 1); /* at once */
    wait_end(&b, EDIT_CANCELLED);
    assert_int_equal(b.job.started, 0);
    queue_cancel(&b.job);
    queue_cancel(&a.job);
    queue_cancel(&a.job);
    wait_end(&a, EDIT_CANCELLED);
    wait_for(&c.running); /* the place is free */
    atomic_store(&c.go, true);
    wait_end(&c, EDIT_DONE);
    queue_cancel(&c.job);
    assert_int_equal(atomic_load(&c.end), EDIT_DONE);
    destroy(&crew);
}

static void test_deadlines(void **state) {
    (void)state;
    struct task long_one = task_of(60), waits = task_of(60), later = task_of(60),
                late = task_of(60), past = task_of(60);
    struct crew crew = create(1, 5);
    queue_submit(crew.queue, &long_one.job);
    wait_for(&long_one.running);
    late.job.deadline = clock_now() + NANOSECONDS / 10;
    waits.job.deadline = clock_now() + NANOSECONDS / 20;
    past.job.deadline = clock_now() - 1;
    queue_submit(crew.queue, &later.job);
    queue_submit(crew.queue, &late.job);
    queue_submit(crew.queue, &waits.job); /* an earlier deadline than what the timer waits for */
    queue_submit(crew.queue, &past.job);
    wait_end(&past, EDIT_TIMED_OUT);
    wait_end(&waits, EDIT_TIMED_OUT);
    wait_end(&late, EDIT_TIMED_OUT);
    assert_false(atomic_load(&late.running));
    assert_int_equal(atomic_load(&long_one.ended) + atomic_load(&later.ended), 0);
    atomic_store(&long_one.go, true);
    atomic_store(&later.go, true);
    wait_end(&long_one, EDIT_DONE);
    wait_end(&later, EDIT_DONE);

    struct task running = task_of(60);
    running.job.deadline = clock_now() + NANOSECONDS / 10;
    queue_submit(crew.queue, &running.job);
    wait_end(&running, EDIT_TIMED_OUT);
    destroy(&crew);
}

static void test_close(void **state) {
    (void)state;
    struct task a = task_of(60), b = task_of(60), c = task_of(60), d = task_of(60);
    struct crew crew = create(1, 5);
    queue_submit(crew.queue, &a.job);
    wait_for(&a.running);
    queue_submit(crew.queue, &b.job);
    queue_submit(crew.queue, &c.job);
    queue_close(crew.queue);
    assert_int_equal(atomic_load(&b.end), EDIT_SHUT_DOWN);
    assert_int_equal(atomic_load(&c.end), EDIT_SHUT_DOWN);
    assert_int_equal(atomic_load(&a.ended), 0);
    assert_int_equal(queue_submit(crew.queue, &d.job), QUEUE_CLOSED);
    assert_int_equal(queue_would_accept(crew.queue), QUEUE_CLOSED);
    atomic_store(&a.go, true);
    destroy(&crew);
    wait_end(&a, EDIT_DONE);
    struct local_queue *none;
    local_queue_destroy(NULL);
    assert_int_equal(local_queue_create(&none, 0, 5, NULL, NULL), STATUS_INVALID);
    assert_int_equal(local_queue_create(&none, 1, -1, NULL, NULL), STATUS_INVALID);
}

/* Submitters and cancellers against workers and the timer: every accepted job ends exactly once. */
struct hammer {
    struct queue *queue;
    int accepted, ends[EDIT_ENDS];
    unsigned seed;
};

static void run_shortly(struct task *t) {
    for (int i = 0; i < 3 && !local_queue_stopping(&t->job); i++) sched_yield();
}

static void *hammer(void *arg) {
    struct hammer *h = arg;
    for (int i = 0; i < 1000; i++) {
        struct task t = task_of(60);
        t.run = run_shortly;
        int kind = rand_r(&h->seed) % 4;
        if (kind == 0) t.job.deadline = clock_now() + rand_r(&h->seed) % 100000;
        if (queue_submit(h->queue, &t.job) != QUEUE_ACCEPTED) continue;
        h->accepted++;
        if (kind == 1) queue_cancel(&t.job);
        while (!atomic_load(&t.ended)) sched_yield();
        h->ends[atomic_load(&t.end)]++;
    }
    return NULL;
}

static void test_many_threads(void **state) {
    (void)state;
    enum { N = 8 };
    pthread_t threads[N];
    struct hammer hammers[N];
    struct crew crew = create(3, 4);
    for (int i = 0; i < N; i++) {
        hammers[i] = (struct hammer){.queue = crew.queue, .seed = (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        const struct hammer *h = &hammers[i];
        assert_int_equal(h->ends[EDIT_DONE] + h->ends[EDIT_TIMED_OUT] + h->ends[EDIT_CANCELLED],
                         h->accepted);
    }
    int waiting, running;
    queue_count(crew.queue, &waiting, &running);
    assert_int_equal(waiting + running, 0);
    destroy(&crew);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_positions),
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_not_open),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_close),  cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
