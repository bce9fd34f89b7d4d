/*
 * Caches on disks that are full, read-only, or cannot lock, link, or write past a file's end: the
 * system calls are wrapped, and behave as `disk` says.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    atomic_long space; /* bytes that still can be written; negative: any */
    uint64_t free;     /* what statvfs says; 0: the truth */
    int flock_error;   /* -1: it says that it locked, and did not */
    int symlink_error;
    bool append_only, read_only;
} disk;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation) {
    if (disk.flock_error < 0) return 0;
    if (disk.flock_error == 0) return __real_flock(fd, operation);
    errno = disk.flock_error;
    return -1;
}

int __real_symlink(const char *target, const char *path);
int __wrap_symlink(const char *target, const char *path);
int __wrap_symlink(const char *target, const char *path) {
    errno = disk.read_only ? EROFS : disk.symlink_error;
    return errno ? -1 : __real_symlink(target, path);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at) {
    struct stat st;
    if (disk.append_only && fstat(fd, &st) == 0 && at > st.st_size) {
        errno = EINVAL;
        return -1;
    }
    if (atomic_load(&disk.space) >= 0 && size > 100 &&
        atomic_fetch_sub(&disk.space, (long)size) < (long)size) {
        atomic_store(&disk.space, 0);
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, bytes, size, at);
}

int __real_statvfs(const char *path, struct statvfs *fs);
int __wrap_statvfs(const char *path, struct statvfs *fs);
int __wrap_statvfs(const char *path, struct statvfs *fs) {
    int result = __real_statvfs(path, fs);
    if (disk.free && result == 0) fs->f_bavail = (fsblkcnt_t)(disk.free / fs->f_frsize);
    return result;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (disk.read_only && (flags & (O_CREAT | O_WRONLY | O_RDWR))) {
        errno = EROFS;
        return -1;
    }
    return __real_open(path, flags, mode);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode) {
    if (!disk.read_only) return __real_mkdir(path, mode);
    errno = EROFS;
    return -1;
}

static int reset(void **state) {
    disk.flock_error = disk.symlink_error = 0;
    disk.free = 0;
    disk.append_only = disk.read_only = false;
    atomic_store(&disk.space, -1);
    return pull_scene_reset(state);
}

static int end(void **state) {
    disk.read_only = false;
    return pull_scene_end(state);
}

static void what_does_not_fit_is_not_begun(void **state) {
    (void)state;
    disk.free = 70 << 20;
    pull_badly(TINY, "example/tiny needs 79.6 MB more in ");
    assert_non_null(strstr(scene.err.text, "set HF_HOME to a folder on a larger disk"));
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "cdn", NULL), 0);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve", NULL), 0);
    disk.free = 80 << 20;
    pull_well(TINY);
}

static void a_disk_that_fills_up_keeps_what_is_there(void **state) {
    (void)state;
    atomic_store(&disk.space, 6000000);
    pull_badly(TINY, "no space left in ");
    long long before = hub_stub_bytes(&scene.stub, NULL);
    assert_true(before > 4000000);
    atomic_store(&disk.space, -1);
    hub_stub_forget(&scene.stub);
    pull_well(TINY);
    assert_true(hub_stub_bytes(&scene.stub, NULL) < 12500000 - 4500000);
}

static void without_links_the_files_are_in_the_snapshot(void **state) {
    (void)state;
    struct stat st;
    char path[4096];
    disk.symlink_error = EPERM;
    pull_well(SHARDS);
    snprintf(path, sizeof path, "%s/" SMALL, scene.result.folder);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    int left = 0;
    DIR *blobs = opendir(in_repo(SHARDS, "blobs"));
    for (struct dirent *e; (e = readdir(blobs));) left += e->d_name[0] != '.';
    closedir(blobs);
    assert_int_equal(left, 0);
    hub_stub_forget(&scene.stub);
    pull_well(SHARDS);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 2);
    disk.symlink_error = 0; /* and where links can be, they are not made in their place */
    pull_well(SHARDS);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    disk.symlink_error = 0;
    scene.options.no_links = true;
    pull_well(TINY);
}

static void without_locks_the_bytes_are_right(void **state) {
    (void)state;
    disk.flock_error = ENOSYS;
    pull_well(TINY);
    assert_non_null(strstr(scene.notes, "cannot lock (Function not implemented)"));
    disk.flock_error = ENOLCK;
    scene.request.force = true;
    pull_well(TINY);
}

/* Pulls in a process of its own. */
static pid_t pull_beside(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(pull_run(TINY) == STATUS_OK ? 0 : 1);
    return pid;
}

static void where_locks_lie_the_bytes_are_right(void **state) {
    (void)state;
    disk.flock_error = -1;
    hub_stub_set(&scene.stub, "{'bandwidth': 4000000}");
    pid_t others[3];
    for (int i = 0; i < 3; i++) others[i] = pull_beside();
    for (int i = 0; i < 3; i++) {
        int status;
        assert_int_equal(waitpid(others[i], &status, 0), others[i]);
        assert_true(WIFEXITED(status));
        assert_blobs_right();
    }
    hub_stub_set(&scene.stub, "{'bandwidth': 0}");
    pull_well(TINY);
    scene.request.force = true;
    pull_well(TINY);
    assert_non_null(strstr(scene.notes, "cannot lock"));
}

static void where_nothing_is_written_past_the_end_it_goes_in_order(void **state) {
    (void)state;
    char path[4096];
    static char bytes[40 << 20];
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i += 1000) bytes[i] = (char)(i / 1000);
    snprintf(path, sizeof path, "%s/example/long", scene.root);
    (void)__real_mkdir(path, 0700);
    strcat(path, "/main");
    (void)__real_mkdir(path, 0700);
    strcat(path, "/w.safetensors");
    write_bytes(path, bytes, sizeof bytes);
    disk.append_only = true;
    scene.request.file = "w.safetensors";
    pull_well("example/long");
    scene.request.force = true;
    hub_stub_rules(&scene.stub, "[{'kind': 'cdn', 'fault': 'cut', 'after': 9000000}]");
    pull_well("example/long");
}

static void a_whole_model_in_a_read_only_cache_is_enough(void **state) {
    (void)state;
    pull_well(TINY);
    disk.read_only = true;
    pull_well(TINY);
    disk.read_only = false;
    unlink(in_repo(TINY, "refs/main"));
    disk.read_only = true;
    pull_badly(TINY, "cannot write to the cache ");
    assert_non_null(strstr(scene.err.text, "set HF_HOME to a folder that can be written"));
    assert_non_null(strstr(scene.err.text, scene.cache));
}

static void what_is_deleted_under_it_is_fetched_again(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'bandwidth': 3000000}");
    pid_t other = pull_beside();
    char command[5000];
    usleep(600000);
    snprintf(command, sizeof command, "rm -rf %s", in_repo(TINY, "blobs"));
    assert_int_equal(system(command), 0);
    int status;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_true(WIFEXITED(status));
    assert_blobs_right();
    hub_stub_set(&scene.stub, "{'bandwidth': 0}");
    pull_well(TINY);
}

#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, reset, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        DISK_TEST(what_does_not_fit_is_not_begun),
        DISK_TEST(a_disk_that_fills_up_keeps_what_is_there),
        DISK_TEST(without_links_the_files_are_in_the_snapshot),
        DISK_TEST(without_locks_the_bytes_are_right),
        DISK_TEST(where_locks_lie_the_bytes_are_right),
        DISK_TEST(where_nothing_is_written_past_the_end_it_goes_in_order),
        DISK_TEST(a_whole_model_in_a_read_only_cache_is_enough),
        DISK_TEST(what_is_deleted_under_it_is_fetched_again),
    };
    return cmocka_run_group_tests(tests, pull_scene_enter, pull_scene_leave);
}
