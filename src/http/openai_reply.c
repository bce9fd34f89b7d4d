/*
 * A picture is put into the answer as it is encoded, between two pieces of JSON that jansson wrote: a
 * copy of base64 as a JSON string would be the largest thing in memory.
 */
#include "http/openai_reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

json_t *openai_error_json(enum http_error e, const char *request_id, const char *detail,
                          const char *param) {
    const struct http_error_kind *kind = http_error_kind(e);
    return json_pack("{s:{s:s, s:s, s:s?, s:s}, s:s}", "error", "message", detail, "type",
                     kind->status < 500 ? "invalid_request_error" : "server_error", "param", param,
                     "code", kind->code, "request_id", request_id);
}

void openai_reply_error(struct reply *r, enum http_error e, const char *request_id,
                        const char *detail, const char *param) {
    reply_error(r, e, request_id, detail); /* for its headers */
    json_t *json = openai_error_json(e, request_id, detail, param);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    struct buffer body = {0};
    if (text && buffer_append(&body, text, strlen(text), NULL) == STATUS_OK) {
        buffer_free(&r->body);
        r->body = body;
    }
    free(text);
    json_decref(json);
    const struct http_error_kind *kind = http_error_kind(e);
    if (kind->status >= 500 && !kind->retry_after) reply_header(r, "X-Should-Retry", "false");
}

enum status openai_append_picture(struct buffer *out, json_t *json, const struct buffer *file) {
    static const char head[] = "{\"b64_json\":\"", between[] = "\",";
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (!text) return STATUS_NO_MEMORY;
    enum status s = buffer_append(out, head, sizeof head - 1, NULL);
    if (s == STATUS_OK) s = base64_append(out, file->data, file->size, NULL);
    if (s == STATUS_OK) s = buffer_append(out, between, sizeof between - 1, NULL);
    if (s == STATUS_OK) s = buffer_append(out, text + 1, strlen(text) - 1, NULL); /* behind its { */
    free(text);
    return s;
}

const char *openai_format(enum picture_format format) {
    return strchr(picture_format_mime(format), '/') + 1;
}
