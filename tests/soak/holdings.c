/*
 * All of it is read from /proc, once what goes on has come to rest.
 */
#include "soak/holdings.h"

#include <dirent.h>
#include <unistd.h>

long resident_kb(pid_t pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int count_entries(pid_t pid, const char *what) {
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir)) n++;
    closedir(dir);
    return n - 2; /* . and .. */
}

struct holdings count_idle(struct server_process *s) {
    server_wait_metric(s, "firered_edits_running", 0);
    server_wait_metric(s, "firered_queue_depth", 0);
    server_wait_metric(s, "firered_http_connections", 1); /* the one that asks */
    struct holdings h = {0}, before;
    int same = 0;
    for (int i = 0; same < 10 && i < 200;
         i++) { /* a second without change; lingering lasts up to five */
        before = h;
        h = (struct holdings){count_entries(s->pid, "fd"), count_entries(s->pid, "task")};
        same = h.descriptors == before.descriptors && h.threads == before.threads ? same + 1 : 0;
        sleep_ms(100);
    }
    return h;
}

static int compare_longs(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

long median(long *values, size_t count) {
    assert_true(count > 0);
    qsort(values, count, sizeof *values, compare_longs);
    return values[count / 2];
}

int setting(const char *name, int usual) {
    const char *value = getenv(name);
    return value && *value ? atoi(value) : usual;
}
