/* Checks what is the same of every answer, and hands on the rest. */
#include "support/unit_test.h"

#include "http/jobs_client.h"

void post(struct server_process *s, struct form *f, const char *headers, struct answer *out) {
    struct buffer all = {0};
    buffer_printf(&all, "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n%s",
                  headers ? headers : "");
    http_request(s, "POST", "/v1/jobs", all.data, f->body.data, f->body.size, out);
    buffer_free(&all);
    form_free(f);
}

struct posted paths_of(const char *id) {
    struct posted p = {0};
    snprintf(p.id, sizeof p.id, "%s", id);
    snprintf(p.self, sizeof p.self, "/v1/jobs/%s", p.id);
    snprintf(p.events, sizeof p.events, "/v1/jobs/%s/events", p.id);
    snprintf(p.result, sizeof p.result, "/v1/jobs/%s/result", p.id);
    return p;
}

/* Posts the form, and checks everything about the 202. */
struct posted post_job_form(struct server_process *s, struct form *f) {
    struct answer a;
    struct posted p;
    post(s, f, NULL, &a);
    if (a.status != 202) fail_msg("%d %s", a.status, a.body.data ? a.body.data : "");
    p = paths_of(answer_string(&a, "id"));
    assert_int_equal(strlen(answer_string(&a, "id")), ID_DIGITS);
    assert_int_equal(strspn(p.id, "0123456789abcdef"), ID_DIGITS);
    snprintf(p.request_id, sizeof p.request_id, "%s", answer_header(&a, "X-Request-ID"));
    assert_string_equal(answer_header(&a, "Location"), p.self);
    assert_string_equal(answer_string(&a, "status"), "queued");
    assert_string_equal(answer_string(&a, "request_id"), p.request_id);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    json_t *urls = json_object_get(root, "urls");
    assert_string_equal(json_string_value(json_object_get(urls, "self")), p.self);
    assert_string_equal(json_string_value(json_object_get(urls, "events")), p.events);
    assert_string_equal(json_string_value(json_object_get(urls, "result")), p.result);
    assert_true(json_integer_value(json_object_get(root, "position")) >= 1);
    json_decref(root);
    answer_free(&a);
    return p;
}

struct posted post_job(struct server_process *s, const char *prompt) {
    struct form f;
    form_edit(&f, prompt, "steps", "3", "seed", "7", NULL);
    return post_job_form(s, &f);
}

/* GET of a job, as JSON. */
json_t *look(struct server_process *s, const struct posted *p) {
    struct answer a;
    http_get(s, p->self, &a);
    assert_int_equal(a.status, 200);
    json_t *root = json_loadb(a.body.data, a.body.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    answer_free(&a);
    return root;
}

void expect_status(struct server_process *s, const struct posted *p, const char *status) {
    json_t *root = look(s, p);
    assert_string_equal(json_string_value(json_object_get(root, "status")), status);
    json_decref(root);
}

double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

void expect_error(struct server_process *s, const char *method, const char *path, int status,
                  const char *code) {
    struct answer a;
    http_request(s, method, path, NULL, NULL, 0, &a);
    assert_error(&a, status, code);
    answer_free(&a);
}

void drop(struct server_process *s, const struct posted *p) {
    struct answer a;
    http_request(s, "DELETE", p->self, NULL, NULL, 0, &a);
    assert_int_equal(a.status, 204);
    assert_int_equal(a.body.size, 0);
    assert_null(answer_header(&a, "Content-Type"));
    answer_free(&a);
}

/* Listens to the end, which is this event. */
void wait_for_end(struct server_process *s, const struct posted *p, const char *name) {
    struct listener l;
    struct event last;
    listener_open(&l, s, p->events);
    listener_finish(&l, &last);
    assert_string_equal(last.name, name);
    event_free(&last);
    listener_close(&l);
}
