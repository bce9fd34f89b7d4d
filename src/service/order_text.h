/*
 * order_text.h - orders and outcomes as text, for a process elsewhere.
 *
 * JSON, one object, with pictures' bytes beside it and not in it:
 *
 *     {"v":1,"request_id":"7f3a","prompt":"night","negative_prompt":" ","seed":"42","steps":28,
 *      "guidance_scale":7.0,"width":0,"height":0,"input_size":false,"output_format":"png",
 *      "quality":0,"pictures":[123456,98765]}
 *
 *     {"v":1,"code":"ok","detail":"","width":1024,"height":768,"steps":28,"guidance_scale":7.0,
 *      "change":0.4321,"same_seed":false,"queue_seconds":0.5,"read_seconds":0.1,"encode_seconds":1.5,
 *      "denoise_seconds":40.0,"decode_seconds":2.0,"write_seconds":0.1,"bytes":2345678}
 *
 * `pictures` are the sizes of the files that follow each other beside the order; `bytes` is that of
 * the edited picture's file.  The seed is a string, since not every reader's numbers hold 64 bits.
 * There is no key of anybody, no address, no path and no file name.
 *
 * What is read is as untrusted as a request: every key has to be there, once, and no other; every
 * number is checked as if a client had sent it; nothing is filled in.  Another version is refused.
 * Every field of an edit has its place here, and gets one when it is added, under a new version where
 * an older reader would make another picture.
 */
#ifndef SERVICE_ORDER_TEXT_H
#define SERVICE_ORDER_TEXT_H

#include "service/order.h"
#include "service/request_id.h"

enum { ORDER_TEXT_VERSION = 1, ORDER_TEXT_MAX_BYTES = 1 << 20 };

/* Appends the text of a complete order.  STATUS_NO_MEMORY: *out is as it was. */
enum status order_text_write(struct buffer *out, const struct edit_order *order,
                             const char *request_id, struct error *err);

/* Appends the order's files, one after the other.  STATUS_NO_MEMORY: *out is as it was. */
enum status order_text_write_pictures(struct buffer *out, const struct edit_order *order,
                                      struct error *err);

/* Reads both into *order, which is empty, and the caller's to free.  STATUS_INVALID: one sentence;
 * *order is still empty, as for STATUS_NO_MEMORY. */
enum status order_text_read(struct edit_order *order, char request_id[REQUEST_ID_MAX + 1],
                            const char *text, size_t size, const char *pictures,
                            size_t pictures_size, struct error *err);

/* Appends the text of an outcome, whose file goes beside it.  STATUS_NO_MEMORY: *out is as it was. */
enum status outcome_text_write(struct buffer *out, const struct edit_outcome *outcome,
                               struct error *err);

/* Reads a text into *outcome, which is empty, and takes over *file, the bytes beside it, which are to
 * be those that the text tells of: none, but of an edit that is done.  When it fails, as
 * order_text_read does, *outcome is empty and *file still the caller's. */
enum status outcome_text_read(struct edit_outcome *outcome, const char *text, size_t size,
                              struct buffer *file, struct error *err);

#endif
