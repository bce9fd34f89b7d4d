/* Checks what is the same of every answer of OpenAI's route, and hands on the rest. */
#include "support/unit_test.h"

#include "http/openai_client.h"

#include "base/base64.h"

const char openai_path[] = "/v1/images/edits";
const char openai_type[] = "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n";

void openai_post(struct server_process *s, struct form *f, struct answer *a) {
    http_request(s, "POST", openai_path, openai_type, f->body.data, f->body.size, a);
    form_free(f);
}

json_t *json_of(const struct answer *a) {
    json_t *json = json_loadb(a->body.data, a->body.size, 0, NULL);
    if (!json) fail_msg("no JSON: %s", a->body.data);
    assert_string_equal(answer_header(a, "Content-Type"), "application/json");
    return json;
}

const char *string_of(const json_t *object, const char *key) {
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* OpenAI's shape, with the request's id twice. */
void assert_openai_error(const struct answer *a, int status, const char *code, const char *param) {
    if (a->status != status) fail_msg("wanted %d, got %d %s", status, a->status, a->body.data);
    json_t *json = json_of(a), *error = json_object_get(json, "error");
    assert_string_equal(string_of(error, "code"), code);
    assert_string_equal(string_of(error, "type"),
                        status < 500 ? "invalid_request_error" : "server_error");
    assert_true(strlen(string_of(error, "message")) > 10);
    if (param)
        assert_string_equal(string_of(error, "param"), param);
    else
        assert_true(json_is_null(json_object_get(error, "param")));
    assert_string_equal(string_of(json, "request_id"), answer_header(a, "X-Request-ID"));
    json_decref(json);
}

void openai_decode(struct buffer *out, const char *text) {
    assert_int_equal(buffer_append(out, text, strlen(text), NULL), STATUS_OK);
    assert_true(base64_decode(out->data, out->size, &out->size));
}

/* The picture of this text, and what POST /edit makes of the same seed, are the same bytes. */
void assert_same_as_edit(struct server_process *s, const char *base64, const char *seed) {
    struct buffer file = {0};
    struct form f;
    struct answer a;
    openai_decode(&file, base64);
    form_edit(&f, "night", "steps", "2", "seed", seed, NULL);
    http_post_form(s, &f, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.size, file.size);
    assert_memory_equal(a.body.data, file.data, file.size);
    answer_free(&a);
    buffer_free(&file);
}
