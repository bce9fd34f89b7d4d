/*
 * openai_client.h - a client of POST /v1/images/edits, for its tests.  Whatever is not as it has to be
 * fails the running test.
 */
#ifndef TESTS_HTTP_OPENAI_CLIENT_H
#define TESTS_HTTP_OPENAI_CLIENT_H

#include <jansson.h>

#include "http/harness.h"

extern const char openai_path[], openai_type[]; /* the route; the header of a form's type */

/* Posts the form, which is freed. */
void openai_post(struct server_process *s, struct form *f, struct answer *a);

json_t *json_of(const struct answer *a);
const char *string_of(const json_t *object, const char *key); /* "": it has none */
void openai_decode(struct buffer *out, const char *base64);

/* OpenAI's shape, with the request's id twice; param: NULL for none. */
void assert_openai_error(const struct answer *a, int status, const char *code, const char *param);

/* The picture of this text, and what POST /edit makes of the same seed, are the same bytes. */
void assert_same_as_edit(struct server_process *s, const char *base64, const char *seed);

#endif
