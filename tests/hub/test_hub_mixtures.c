/*
 * Pulls under faults by chance, several kinds at a time: right bytes or a sentence, never a wrong
 * file, never a stuck process.
 *
 *     HUB_MIXTURES=500 HUB_SEED=1 test_hub_mixtures       (40 and 1 without them)
 *
 * A mixture is a function of its seed; a failure names it.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"

enum { STUCK_SECONDS = 120 };

static unsigned state;

static unsigned draw(unsigned below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

/* What may happen; %u is a place in a file, %.2f a chance. */
static const char *const faults[] = {
    "{'kind': 'cdn', 'fault': 'cut', 'after': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'reset', 'after': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'flip', 'at': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'zeros', 'from': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'short', 'by': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'long', 'by': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'lying_range', 'shift': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'wrong_range', 'shift': %u, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'ignore_range', 'note': '%u', 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'stall', 'after': %u, 'seconds': 20, 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'expired', 'note': '%u', 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'chunked', 'note': '%u', 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'other', 'note': '%u', 'chance': %.2f}",
    "{'kind': 'cdn', 'fault': 'html', 'note': '%u', 'chance': %.2f}",
    "{'fault': 'refuse', 'note': '%u', 'chance': %.2f}",
    "{'fault': 'garbage', 'note': '%u', 'chance': %.2f}",
    "{'fault': 'status', 'code': 503, 'note': '%u', 'chance': %.2f}",
    "{'fault': 'length', 'delta': %u, 'chance': %.2f}",
    "{'kind': ['resolve', 'resolve-cache'], 'fault': 'cut', 'after': %u, 'chance': %.2f}",
    "{'kind': 'resolve', 'fault': 'expires', 'seconds': 0.05, 'note': '%u', 'chance': %.2f}",
    "{'kind': 'resolve', 'fault': 'linked_size', 'delta': %u, 'chance': %.2f}",
    "{'kind': 'resolve', 'fault': 'no_commit', 'note': '%u', 'chance': %.2f}",
    "{'kind': 'resolve', 'fault': 'etag', 'value': '', 'note': '%u', 'chance': %.2f}",
    "{'kind': 'resolve', 'fault': 'hops', 'count': 4, 'note': '%u', 'chance': %.2f}",
    "{'kind': 'resolve-cache', 'fault': 'flip', 'at': %u, 'chance': %.2f}",
    "{'kind': 'tree', 'fault': 'truncate', 'after': %u, 'chance': %.2f}",
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void write_rules(struct buffer *out) {
    unsigned count = 1 + draw(5);
    buffer_printf(out, "[");
    for (unsigned i = 0; i < count; i++) {
        char one[300];
        double chance = 0.02 + (double)draw(25) / 100;
        unsigned place = draw(3) ? draw(4000000) : draw(2000);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(one, sizeof one, faults[draw(FAULTS)], place, chance);
#pragma GCC diagnostic pop
        buffer_printf(out, "%s%s", i ? ", " : "", one);
    }
    buffer_printf(out, "]");
}

/* In a process of its own, so that one that is stuck can be told. */
static int pull_in_time(const char *id) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(STUCK_SECONDS);
        enum status s = pull_run(id);
        if (s != STATUS_OK) (void)!write(ends[1], scene.err.text, strlen(scene.err.text));
        _exit(s == STATUS_OK ? 0 : *scene.err.text ? 1 : 2);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], scene.err.text, sizeof scene.err.text - 1);
    scene.err.text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static long number(const char *variable, long otherwise) {
    const char *text = getenv(variable);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void right_bytes_or_a_sentence(void **unused) {
    (void)unused;
    long count = number("HUB_MIXTURES", 40), seed = number("HUB_SEED", 1), well = 0;
    for (long i = 0; i < count; i++) {
        struct buffer rules = {0};
        const char *id = i % 2 ? SHARDS : TINY;
        if (i) pull_scene_end(NULL);
        if (i) pull_scene_reset(NULL);
        state = (unsigned)(seed * 100000 + i);
        write_rules(&rules);
        scene.options.seconds = 1;
        scene.options.connections = 1 + (int)draw(8);
        hub_stub_rules(&scene.stub, rules.data);
        int status = pull_in_time(id);
        if (status > 1)
            fail_msg("mixture %ld of seed %ld: status %d, rules %s", i, seed, status, rules.data);
        assert_blobs_right();
        well += status == 0;
        if (status != 0) print_message("  %ld: %s\n", i, scene.err.text);
        hub_stub_rules(&scene.stub, "[]");
        pull_well(id); /* on what it left */
        buffer_free(&rules);
    }
    print_message("  %ld of %ld pulls went well, the others ended with a sentence\n", well, count);
    assert_true(well > count / 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {PULL_TEST(right_bytes_or_a_sentence)};
    return cmocka_run_group_tests(tests, pull_scene_enter, pull_scene_leave);
}
