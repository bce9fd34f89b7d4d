/*
 * data_url.h - pictures that come as text: `data:image/png;base64,...` (RFC 2397).
 */
#ifndef HTTP_DATA_URL_H
#define HTTP_DATA_URL_H

#include "base/buffer.h"

/* Puts the bytes that a data URL holds in its place; what is no URL stays as it is.  STATUS_INVALID: a
 * data URL that is not base64, or a URL of another kind: nothing is ever fetched. */
enum status data_url_decode(struct buffer *picture, struct error *err);

#endif
