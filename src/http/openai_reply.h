/*
 * openai_reply.h - what OpenAI's clients read: errors in OpenAI's shape, and edited pictures inside
 * JSON.
 *
 *     {"error": {"message": ..., "type": ..., "param": ..., "code": ...}, "request_id": ...}
 *
 * `code` is the one that every other route has as `error`, `param` the field that is wrong, or null.
 * Source: OpenAI's API reference, "Errors", "Create image edit" and its streaming events.
 */
#ifndef HTTP_OPENAI_REPLY_H
#define HTTP_OPENAI_REPLY_H

#include <jansson.h>

#include "http/reply.h"
#include "service/order.h"

/* The error as JSON; NULL: no memory. */
json_t *openai_error_json(enum http_error e, const char *request_id, const char *detail,
                          const char *param);

/* reply_error in this shape.  Errors that another try would only repeat tell so to the clients of
 * OpenAI, which else try three times. */
void openai_reply_error(struct reply *r, enum http_error e, const char *request_id,
                        const char *detail, const char *param);

/* Appends `json`, an object that is not empty, with "b64_json": the file, and releases it.
 * STATUS_NO_MEMORY (also for NULL): *out may have a part of it. */
enum status openai_append_picture(struct buffer *out, json_t *json, const struct buffer *file);

/* "png", "jpeg" or "webp". */
const char *openai_format(enum picture_format format);

#endif
