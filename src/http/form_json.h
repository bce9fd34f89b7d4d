/*
 * form_json.h - a form that comes as a JSON object, as OpenAI's API has it beside multipart.
 *
 *     {"prompt": "make it night", "n": 2, "images": [{"image_url": "data:image/png;base64,..."}]}
 */
#ifndef HTTP_FORM_JSON_H
#define HTTP_FORM_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "http/multipart.h"

/* Whether a Content-Type is JSON's.  NULL: it is not. */
bool form_json_is_type(const char *content_type);

/* Hands the values on as the parts of a form: the names are the keys; texts as they are, numbers,
 * true and false as they are written; every picture of `images` (or of a list in `image`) as the
 * part `image`.  A null is not there.  STATUS_INVALID: no JSON, no object, a value of another kind.
 * Else the handler's errors. */
enum status form_json_read(const char *text, size_t size, const struct multipart_handler *handler,
                           struct error *err);

#endif
