/*
 * The child's output goes to files, which are read when it has ended: no pipe can fill up.  Only a
 * terminal is read as it comes.
 */
#include "support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/options.h"
#include "support/files.h"
#include "support/unit_test.h"

enum { MAX_WORDS = 40 };

pid_t child_fork(void (*work)(void *arg), void *arg) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(arg);
    _exit(0);
}

static int status_of(int ended) {
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
}

int child_end(pid_t pid, double seconds) {
    int ended = 0;
    double until = clock_now_seconds() + seconds;
    while (waitpid(pid, &ended, WNOHANG) == 0) {
        if (clock_now_seconds() > until) {
            print_error("process %d did not end\n", (int)pid);
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, &ended, 0), pid);
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return status_of(ended);
}

int64_t child_fact(pid_t pid, const char *key) {
    char path[64], name[32], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    assert_true(text_from_file(path, text, sizeof text));
    snprintf(name, sizeof name, "\n%s:", key);
    const char *at = strstr(text, name);
    if (!at) fail_msg("no %s in %s", key, path);
    return strtoll(at + strlen(name), NULL, 10);
}

static void become(const char *program, const char *const *words) {
    char *argv[MAX_WORDS + 2] = {(char *)program};
    int argc = 1;
    for (; *words && argc <= MAX_WORDS; words++) argv[argc++] = (char *)*words;
    execv(program, argv);
    _exit(127);
}

static void redirect(int fd, const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || dup2(file, fd) < 0) _exit(126);
    close(file);
}

struct program {
    const char *file;
    const char *const *words;
};

static void run_redirected(void *arg) {
    const struct program *p = arg;
    redirect(STDOUT_FILENO, "child.out");
    redirect(STDERR_FILENO, "child.err");
    become(p->file, p->words);
}

void child_start(struct child *c, const char *program, const char *const *words) {
    memset(c, 0, sizeof *c);
    c->started = clock_now_seconds();
    c->pid = child_fork(run_redirected, &(struct program){program, words});
}

static void set_status(struct child *c, int status) {
    c->status = status_of(status);
    c->pid = 0;
}

void child_wait(struct child *c) {
    int status = 0;
    struct rusage usage;
    if (c->pid && wait4(c->pid, &status, 0, &usage) == c->pid) {
        set_status(c, status);
        c->peak_bytes = (int64_t)usage.ru_maxrss * 1024;
        c->seconds = clock_now_seconds() - c->started;
    }
    text_from_file("child.out", c->out, sizeof c->out);
    text_from_file("child.err", c->err, sizeof c->err);
}

bool child_ended(struct child *c) {
    int status = 0;
    if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid) set_status(c, status);
    return c->pid == 0;
}

void child_run_on_terminal(struct child *c, const char *program, const char *const *words) {
    int terminal, status = 0;
    memset(c, 0, sizeof *c);
    c->pid = forkpty(&terminal, NULL, NULL, NULL);
    if (c->pid == 0) become(program, words);
    size_t size = 0;
    ssize_t n;
    while ((n = read(terminal, c->out + size, sizeof c->out - 1 - size)) > 0) size += (size_t)n;
    c->out[size] = '\0';
    close(terminal);
    if (waitpid(c->pid, &status, 0) == c->pid) set_status(c, status);
}

bool wait_for_text(const char *path, const char *text, double seconds) {
    char content[16384];
    for (int i = 0; i < seconds * 100; i++) {
        if (text_from_file(path, content, sizeof content) && strstr(content, text)) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

static char *scene;

static int make_models(void) {
    static const char *const folders[] = {"m", "slow", "broken", "models", "models/demo"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (mkdir(folders[i], 0700) != 0) return -1;
    FILE *f = fopen("models/demo/model_index.json", "w");
    return f && fclose(f) == 0 ? 0 : -1;
}

int scene_enter(void **state) {
    (void)state;
    scene = temporary_folder();
    if (chdir(scene) != 0 || make_models() != 0) return -1;
    setenv("HF_HOME", scene, 1);
    return 0;
}

int scene_reset(void **state) {
    (void)state;
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].variable, "HF_HOME") != 0) unsetenv(option_table[i].variable);
    unsetenv("HF_HUB_CACHE");
    if (access("out", F_OK) == 0) remove_folder(strdup("out"));
    unlink("report");
    unlink(".env");
    setenv("FAKE_REPORT", "report", 1);
    return mkdir("out", 0700);
}

int scene_leave(void **state) {
    (void)state;
    if (chdir("/") != 0) return -1;
    remove_folder(scene);
    return 0;
}
