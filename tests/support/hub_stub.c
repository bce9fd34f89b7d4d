/*
 * The stub writes one line when it listens; after that it is steered over HTTP.
 */
#include "support/unit_test.h"

#include "support/hub_stub.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "support/child.h"

bool hub_stub_possible(void) {
    return system("python3 -c '' >/dev/null 2>&1") == 0;
}

static void take_url(char out[64], const json_t *line, const char *key) {
    const char *url = json_string_value(json_object_get(line, key));
    snprintf(out, 64, "%s", url ? url : "");
}

struct start {
    const char **argv;
    int out;
};

static void become_stub(void *arg) {
    const struct start *start = arg;
    dup2(start->out, STDOUT_FILENO);
    execvp("python3", (char **)start->argv);
    _exit(127);
}

void hub_stub_start(struct hub_stub *s, const char *root, const char *const *words) {
    int pipes[2];
    char line[1024];
    const char *argv[64] = {"python3", HUB_STUB, "--root", root};
    for (int i = 0; words && words[i]; i++) argv[4 + i] = words[i];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    *s = (struct hub_stub){.pid = child_fork(become_stub, &(struct start){argv, pipes[1]})};
    close(pipes[1]);
    FILE *from = fdopen(pipes[0], "r");
    assert_non_null(from);
    if (!fgets(line, sizeof line, from)) fail_msg("the stub did not start");
    fclose(from);
    json_t *said = json_loads(line, 0, NULL);
    assert_non_null(said);
    take_url(s->hub, said, "hub");
    take_url(s->cdn, said, "cdn");
    take_url(s->proxy, said, "proxy");
    json_decref(said);
}

void hub_stub_stop(struct hub_stub *s) {
    if (!s->pid) return;
    kill(s->pid, SIGTERM);
    child_end(s->pid, 10);
    s->pid = 0;
}

static size_t take(char *bytes, size_t one, size_t size, void *buffer) {
    (void)one;
    return buffer_append(buffer, bytes, size, NULL) == STATUS_OK ? size : 0;
}

/* One request to /_stub/WHAT; `body` NULL: none.  The caller frees what comes back. */
static struct buffer ask(struct hub_stub *s, const char *method, const char *what,
                         const char *body) {
    struct buffer url = {0}, answer = {0};
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    assert_int_equal(buffer_printf(&url, "%s/_stub/%s", s->hub, what), 0);
    curl_easy_setopt(curl, CURLOPT_URL, url.data);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    if (body) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    if (curl_easy_perform(curl) != CURLE_OK) fail_msg("%s %s: %s", method, what, why);
    curl_easy_cleanup(curl);
    buffer_free(&url);
    return answer;
}

static void post(struct hub_stub *s, const char *what, const char *text) {
    char *body = strdup(text);
    for (char *at = body; *at; at++)
        if (*at == '\'') *at = '"';
    struct buffer answer = ask(s, "POST", what, body);
    buffer_free(&answer);
    free(body);
}

void hub_stub_rules(struct hub_stub *s, const char *rules) {
    post(s, "rules", rules);
}

void hub_stub_set(struct hub_stub *s, const char *values) {
    post(s, "set", values);
}

void hub_stub_expire(struct hub_stub *s) {
    post(s, "expire", "{}");
}

void hub_stub_forget(struct hub_stub *s) {
    struct buffer answer = ask(s, "DELETE", "log", NULL);
    buffer_free(&answer);
}

json_t *hub_stub_log(struct hub_stub *s) {
    struct buffer text = ask(s, "GET", "log", NULL);
    json_t *all = json_array();
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        if (end) *end = '\0';
        json_t *entry = json_loads(line, 0, NULL);
        assert_non_null(entry);
        json_array_append_new(all, entry);
        line = end ? end + 1 : NULL;
    }
    buffer_free(&text);
    return all;
}

static bool has_value(const json_t *entry, const char *key, const char *value) {
    const json_t *is = json_object_get(entry, key);
    char *text = json_dumps(is, JSON_ENCODE_ANY);
    bool same = (json_is_string(is) && strcmp(json_string_value(is), value) == 0) ||
                (text && strcmp(text, value) == 0);
    free(text);
    return same;
}

int hub_stub_count(struct hub_stub *s, ...) {
    json_t *log = hub_stub_log(s), *entry;
    size_t i;
    int count = 0;
    json_array_foreach(log, i, entry) {
        va_list pairs;
        bool all = true;
        va_start(pairs, s);
        for (const char *key; (key = va_arg(pairs, const char *));)
            all &= has_value(entry, key, va_arg(pairs, const char *));
        va_end(pairs);
        count += all;
    }
    json_decref(log);
    return count;
}

long long hub_stub_bytes(struct hub_stub *s, const char *file) {
    json_t *log = hub_stub_log(s), *entry;
    size_t i;
    long long sum = 0;
    json_array_foreach(log, i, entry) if (has_value(entry, "kind", "cdn") &&
                                          (!file || has_value(entry, "file", file))) sum +=
        json_integer_value(json_object_get(entry, "bytes"));
    json_decref(log);
    return sum;
}

void hub_stub_commit(struct hub_stub *s, const char *id, const char *branch, char commit[41]) {
    struct buffer text = ask(s, "GET", "repos", NULL);
    json_t *repos = json_loads(text.data, 0, NULL);
    const char *is = json_string_value(json_object_get(json_object_get(repos, id), branch));
    assert_non_null(is);
    snprintf(commit, 41, "%s", is);
    json_decref(repos);
    buffer_free(&text);
}
