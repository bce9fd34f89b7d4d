/* The queue alone: order, limits, deadlines, cancelling, closing, and many threads at once. */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "service/jobs.h"

/* A job that runs until it is let go or told to stop. */
struct task {
    struct job job;
    atomic_bool running, go;
    atomic_int ended; /* how often */
    atomic_int end;
    atomic_int *order; /* shared counter */
    int place;
};

static void sleep_ms(int ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void run(struct job *job) {
    struct task *t = (struct task *)job;
    if (t->order) t->place = atomic_fetch_add(t->order, 1);
    atomic_store(&t->running, true);
    while (!atomic_load(&t->go) && !job_stopping(job)) sleep_ms(1);
}

static void ended(struct job *job, enum job_end end) {
    struct task *t = (struct task *)job;
    atomic_store(&t->end, (int)end);
    atomic_fetch_add(&t->ended, 1);
}

static struct task task_of(int64_t seconds) {
    return (struct task){
        .job = {.deadline = clock_now() + seconds * NANOSECONDS, .run = run, .ended = ended},
        .end = -1};
}

static void wait_for(atomic_bool *flag) {
    while (!atomic_load(flag)) sleep_ms(1);
}

static void wait_end(struct task *t, enum job_end end) {
    while (!atomic_load(&t->ended)) sleep_ms(1);
    assert_int_equal(atomic_load(&t->ended), 1);
    assert_int_equal(atomic_load(&t->end), (int)end);
}

static struct jobs *create(int workers, int max_queue) {
    struct jobs *jobs;
    assert_int_equal(jobs_create(&jobs, workers, max_queue, NULL), STATUS_OK);
    return jobs;
}

static void test_order(void **state) {
    (void)state;
    enum { N = 20 };
    struct task tasks[N];
    atomic_int order = 0;
    struct jobs *jobs = create(1, N);
    for (int i = 0; i < N; i++) {
        tasks[i] = task_of(60);
        tasks[i].order = &order;
        assert_int_equal(jobs_submit(jobs, &tasks[i].job), JOBS_ACCEPTED);
    }
    for (int i = 0; i < N; i++) atomic_store(&tasks[i].go, true);
    for (int i = 0; i < N; i++) {
        wait_end(&tasks[i], JOB_RAN);
        assert_int_equal(tasks[i].place, i);
        assert_true(tasks[i].job.started >= tasks[i].job.submitted);
    }
    jobs_destroy(jobs);
}

static void count_move(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Everybody moves up when one before him runs, gives up or times out, and that is told. */
static void test_positions(void **state) {
    (void)state;
    enum { N = 4 };
    struct task tasks[N];
    atomic_int moves = 0;
    struct jobs *jobs = create(1, N);
    jobs_on_move(jobs, count_move, &moves);
    for (int i = 0; i < N; i++) {
        tasks[i] = task_of(60);
        assert_int_equal(jobs_submit(jobs, &tasks[i].job), JOBS_ACCEPTED);
        if (i == 0) wait_for(&tasks[0].running);
        assert_int_equal(job_position(&tasks[i].job), i);
    }
    assert_int_equal(atomic_load(&moves), 1);
    job_cancel(&tasks[1].job);
    assert_int_equal(atomic_load(&moves), 2);
    assert_int_equal(job_position(&tasks[1].job), 0);
    assert_int_equal(job_position(&tasks[2].job), 1);
    assert_int_equal(job_position(&tasks[3].job), 2);
    atomic_store(&tasks[0].go, true);
    wait_for(&tasks[2].running);
    assert_int_equal(atomic_load(&moves), 3);
    assert_int_equal(job_position(&tasks[2].job), 0);
    assert_int_equal(job_position(&tasks[3].job), 1);
    for (int i = 0; i < N; i++) atomic_store(&tasks[i].go, true);
    jobs_destroy(jobs);
}

static void test_limit(void **state) {
    (void)state;
    struct task tasks[6];
    struct jobs *jobs = create(2, 2);
    int waiting, running;
    for (int i = 0; i < 6; i++) {
        tasks[i] = task_of(60);
        assert_int_equal(jobs_would_accept(jobs), i < 4 ? JOBS_ACCEPTED : JOBS_FULL);
        assert_int_equal(jobs_submit(jobs, &tasks[i].job), i < 4 ? JOBS_ACCEPTED : JOBS_FULL);
    }
    wait_for(&tasks[0].running);
    wait_for(&tasks[1].running);
    jobs_count(jobs, &waiting, &running);
    assert_int_equal(waiting, 2);
    assert_int_equal(running, 2);
    atomic_store(&tasks[1].go, true);
    wait_for(&tasks[2].running);
    assert_int_equal(jobs_submit(jobs, &tasks[4].job), JOBS_ACCEPTED);
    for (int i = 0; i < 5; i++) atomic_store(&tasks[i].go, true);
    for (int i = 0; i < 5; i++) wait_end(&tasks[i], JOB_RAN);
    assert_int_equal(atomic_load(&tasks[5].ended), 0); /* never taken, never told */
    jobs_destroy(jobs);
}

static void test_cancel(void **state) {
    (void)state;
    struct task a = task_of(60), b = task_of(60), c = task_of(60);
    struct jobs *jobs = create(1, 5);
    jobs_submit(jobs, &a.job);
    wait_for(&a.running);
    jobs_submit(jobs, &b.job);
    jobs_submit(jobs, &c.job);
    job_cancel(&b.job);
    assert_int_equal(atomic_load(&b.ended), 1); /* at once */
    wait_end(&b, JOB_CANCELLED);
    assert_int_equal(b.job.started, 0);
    job_cancel(&b.job);
    job_cancel(&a.job);
    job_cancel(&a.job);
    wait_end(&a, JOB_CANCELLED);
    wait_for(&c.running); /* the place is free */
    atomic_store(&c.go, true);
    wait_end(&c, JOB_RAN);
    job_cancel(&c.job);
    assert_int_equal(atomic_load(&c.end), JOB_RAN);
    jobs_destroy(jobs);
}

static void test_deadlines(void **state) {
    (void)state;
    struct task long_one = task_of(60), waits = task_of(60), later = task_of(60),
                late = task_of(60), past = task_of(60);
    struct jobs *jobs = create(1, 5);
    jobs_submit(jobs, &long_one.job);
    wait_for(&long_one.running);
    late.job.deadline = clock_now() + NANOSECONDS / 10;
    waits.job.deadline = clock_now() + NANOSECONDS / 20;
    past.job.deadline = clock_now() - 1;
    jobs_submit(jobs, &later.job);
    jobs_submit(jobs, &late.job);
    jobs_submit(jobs, &waits.job); /* an earlier deadline than what the timer waits for */
    jobs_submit(jobs, &past.job);
    wait_end(&past, JOB_TIMED_OUT);
    wait_end(&waits, JOB_TIMED_OUT);
    wait_end(&late, JOB_TIMED_OUT);
    assert_false(atomic_load(&late.running));
    assert_int_equal(atomic_load(&long_one.ended) + atomic_load(&later.ended), 0);
    atomic_store(&long_one.go, true);
    atomic_store(&later.go, true);
    wait_end(&long_one, JOB_RAN);
    wait_end(&later, JOB_RAN);

    struct task running = task_of(60);
    running.job.deadline = clock_now() + NANOSECONDS / 10;
    jobs_submit(jobs, &running.job);
    wait_end(&running, JOB_TIMED_OUT);
    jobs_destroy(jobs);
}

static void test_close(void **state) {
    (void)state;
    struct task a = task_of(60), b = task_of(60), c = task_of(60), d = task_of(60);
    struct jobs *jobs = create(1, 5);
    jobs_submit(jobs, &a.job);
    wait_for(&a.running);
    jobs_submit(jobs, &b.job);
    jobs_submit(jobs, &c.job);
    jobs_close(jobs);
    assert_int_equal(atomic_load(&b.end), JOB_SHUT_DOWN);
    assert_int_equal(atomic_load(&c.end), JOB_SHUT_DOWN);
    assert_int_equal(atomic_load(&a.ended), 0);
    assert_int_equal(jobs_submit(jobs, &d.job), JOBS_CLOSED);
    assert_int_equal(jobs_would_accept(jobs), JOBS_CLOSED);
    atomic_store(&a.go, true);
    jobs_destroy(jobs);
    wait_end(&a, JOB_RAN);
    jobs_destroy(NULL);
    assert_int_equal(jobs_create(&jobs, 0, 5, NULL), STATUS_INVALID);
    assert_int_equal(jobs_create(&jobs, 1, -1, NULL), STATUS_INVALID);
}

/* Submitters and cancellers against workers and the timer: every accepted job ends exactly once. */
struct hammer {
    struct jobs *jobs;
    int accepted, ends[4];
    unsigned seed;
};

static void run_shortly(struct job *job) {
    for (int i = 0; i < 3 && !job_stopping(job); i++) sched_yield();
}

static void *hammer(void *arg) {
    struct hammer *h = arg;
    for (int i = 0; i < 1000; i++) {
        struct task t = task_of(60);
        t.job.run = run_shortly;
        int kind = rand_r(&h->seed) % 4;
        if (kind == 0) t.job.deadline = clock_now() + rand_r(&h->seed) % 100000;
        if (jobs_submit(h->jobs, &t.job) != JOBS_ACCEPTED) continue;
        h->accepted++;
        if (kind == 1) job_cancel(&t.job);
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
    struct jobs *jobs = create(3, 4);
    for (int i = 0; i < N; i++) {
        hammers[i] = (struct hammer){.jobs = jobs, .seed = (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        const struct hammer *h = &hammers[i];
        assert_int_equal(h->ends[JOB_RAN] + h->ends[JOB_TIMED_OUT] + h->ends[JOB_CANCELLED],
                         h->accepted);
    }
    int waiting, running;
    jobs_count(jobs, &waiting, &running);
    assert_int_equal(waiting + running, 0);
    jobs_destroy(jobs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_deadlines),    cmocka_unit_test(test_close),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
