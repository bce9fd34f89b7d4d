/*
 * Pulls that are ended on the way, in every manner, and gone on with; and pulls beside each other.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define WEIGHTS "w.safetensors"
#define LONG    "example/long"
enum { LONG_BYTES = 80 << 20, SEGMENT = 16 << 20, SOCKET_BYTES = 6 << 20 };

static int enter(void **state) {
    pull_scene_enter(state);
    pull_scene_make("long", WEIGHTS, LONG_BYTES, 7);
    return 0;
}

/* A pull by the program, in a process of its own. */
static pid_t start_program(const char *id) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    setenv("HF_HUB_CACHE", scene.cache, 1);
    setenv("HF_ENDPOINT", scene.stub.hub, 1);
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execl(FIRERED_PROGRAM, "firered", "pull", "--all", id, (char *)NULL);
    _exit(127);
}

static int end_of(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_pull_that_is_cancelled_goes_on(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'bandwidth': 20000000}");
    scene.request.file = WEIGHTS;
    scene.options.connections = 2;
    scene.cancel_at = 20000000;
    int64_t began = clock_now();
    assert_int_equal(pull_run(LONG), STATUS_CANCELLED);
    assert_true(clock_seconds(began, clock_now()) < 10);
    scene.cancel_at = 0;
    hub_stub_set(&scene.stub, "{'bandwidth': 0}");
    hub_stub_forget(&scene.stub);
    pull_well(LONG);
    assert_true(hub_stub_bytes(&scene.stub, WEIGHTS) <= LONG_BYTES - 20000000);
    assert_true(scene.result.fetch <= LONG_BYTES - 20000000);
}

static void a_pull_that_is_killed_goes_on(void **state) {
    (void)state;
    srand(1);
    hub_stub_set(&scene.stub, "{'bandwidth': 8000000}");
    long long lost = 0;
    int kills = 0;
    for (int ended = 0; !ended;) {
        pid_t pid = start_program(LONG);
        usleep((useconds_t)(200000 + rand() % 400000));
        ended = waitpid(pid, &(int){0}, WNOHANG) == pid;
        if (ended) break;
        kill(pid, SIGKILL);
        assert_int_equal(end_of(pid), 128 + SIGKILL);
        if (++kills == 6) hub_stub_set(&scene.stub, "{'bandwidth': 0}");
    }
    assert_true(kills >= 5);
    scene.request.file = WEIGHTS;
    pull_well(LONG);
    lost = hub_stub_bytes(&scene.stub, WEIGHTS) - LONG_BYTES;
    print_message("  killed %d times, %lld bytes came twice or were lost\n", kills, lost);
    assert_true(lost <= 2LL * SEGMENT + (long long)kills * SOCKET_BYTES);
}

static void ctrl_c_ends_with_130_and_sigterm_too(void **state) {
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM};
    hub_stub_set(&scene.stub, "{'bandwidth': 1000000}");
    for (int i = 0; i < 2; i++) {
        pid_t pid = start_program(LONG);
        usleep(700000);
        kill(pid, signals[i]);
        assert_int_equal(end_of(pid), 130);
    }
}

static void two_processes_fetch_once(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'bandwidth': 3000000}");
    pid_t one = start_program(TINY), two = start_program(TINY);
    assert_int_equal(end_of(one), 0);
    assert_int_equal(end_of(two), 0);
    assert_int_equal(hub_stub_bytes(&scene.stub, BIG), 5222016);
    assert_int_equal(hub_stub_bytes(&scene.stub, VAE), 3718700);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve-cache", "file", SMALL, NULL), 1);
    hub_stub_set(&scene.stub, "{'bandwidth': 0}");
    scene.request.all = true;
    pull_well(TINY);
    assert_int_equal(scene.result.fetch, 0);
}

static void a_lock_that_is_held_is_told(void **state) {
    (void)state;
    pull_well(TINY);
    char path[400];
    snprintf(path, sizeof path, ".locks/models--example--tiny/%s.lock", blob_of(TINY, VAE));
    scene.request.force = true;
    int fd = open(in_folder(scene.cache, path), O_RDWR);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(fd);
        enum status s = pull_run(TINY);
        _exit(s == STATUS_OK && strstr(scene.notes, "another process is pulling vae/") ? 0 : 1);
    }
    usleep(800000);
    assert_int_equal(waitpid(pid, &(int){0}, WNOHANG), 0);
    close(fd);
    assert_int_equal(end_of(pid), 0);
}

/* Stops a pull half way, and gives the names of what it left. */
static void leave_half(char part[4096], char map[4096]) {
    scene.request.file = WEIGHTS;
    hub_stub_rules(&scene.stub, "[{'kind': 'cdn', 'skip': 2, 'fault': 'status', 'code': 500}]");
    scene.options.connections = 1;
    pull_badly(LONG, "status 500");
    hub_stub_rules(&scene.stub, "[]");
    char command[5000];
    snprintf(command, sizeof command, "ls %s/*.firered-part", in_repo(LONG, "blobs"));
    FILE *names = popen(command, "r");
    assert_non_null(fgets(part, 4096, names));
    pclose(names);
    part[strcspn(part, "\n")] = '\0';
    snprintf(map, 4096, "%.*s-map", (int)(strlen(part) - 5), part);
}

static void what_was_left_is_not_believed_blindly(void **state) {
    (void)state;
    char part[4096], map[4096];
    leave_half(part, map);
    hub_stub_forget(&scene.stub);
    pull_well(LONG); /* as it was left */
    assert_int_equal(hub_stub_bytes(&scene.stub, WEIGHTS), LONG_BYTES - 2 * SEGMENT);
    scene.request.force = true;

    leave_half(part, map); /* with a byte that another has changed */
    int fd = open(part, O_RDWR);
    assert_int_equal(pwrite(fd, "!", 1, 1000), 1);
    close(fd);
    pull_well(LONG);
    assert_non_null(strstr(scene.notes, "came with a wrong hash"));

    leave_half(part, map); /* shorter than the map says */
    assert_int_equal(truncate(part, 1000), 0);
    pull_well(LONG);

    leave_half(part, map); /* a map of something else */
    write_text(map, "firered1 and some nonsense that goes on a little");
    pull_well(LONG);

    leave_half(part, map); /* only one of the two */
    unlink(map);
    pull_well(LONG);
    leave_half(part, map);
    unlink(part);
    pull_well(LONG);
}

static void a_limit_on_the_rate_is_kept(void **state) {
    (void)state;
    scene.options.rate = 6000000;
    int64_t began = clock_now();
    pull_well(TINY);
    assert_true(clock_seconds(began, clock_now()) > 1.5);
}

static void a_branch_that_moved_fetches_what_changed(void **state) {
    (void)state;
    char path[4096], command[9000];
    snprintf(command, sizeof command,
             "rm -rf %s/example/moving; mkdir -p %s/example/moving && cp -r " TEST_DATA
             "/tiny-edit/model %s/example/moving/main",
             scene.root, scene.root, scene.root);
    assert_int_equal(system(command), 0);
    pull_well("example/moving");
    char *before = strdup(scene.result.commit);
    snprintf(path, sizeof path, "%s/example/moving/main/edit_config.json", scene.root);
    write_text(path, "{\"default_steps\": 3}");
    hub_stub_forget(&scene.stub);
    pull_well("example/moving");
    assert_string_not_equal(before, scene.result.commit);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve", NULL), 1);
    free(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PULL_TEST(a_pull_that_is_cancelled_goes_on),
        PULL_TEST(a_pull_that_is_killed_goes_on),
        PULL_TEST(ctrl_c_ends_with_130_and_sigterm_too),
        PULL_TEST(two_processes_fetch_once),
        PULL_TEST(a_lock_that_is_held_is_told),
        PULL_TEST(what_was_left_is_not_believed_blindly),
        PULL_TEST(a_limit_on_the_rate_is_kept),
        PULL_TEST(a_branch_that_moved_fetches_what_changed),
    };
    return cmocka_run_group_tests(tests, enter, pull_scene_leave);
}
