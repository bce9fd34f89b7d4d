/*
 * json.h - reading the JSON files of a model folder, untrusted as they are, with errors that name
 * file and key; and what is written as JSON in more than one room.
 *
 * A thin layer over jansson.  Every getter leaves *out alone when the key is absent or null, so
 * that the caller's own initial value is the default; a key of the wrong type or out of range is
 * STATUS_INVALID.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

/* Parses a whole file of at most `limit` bytes whose top value is an object; duplicate keys are
 * refused. The caller releases *out with json_decref. */
enum status json_open(json_t **out, const char *path, size_t limit, struct error *err);

/* The sentence about a text that is no JSON: where it goes wrong, or what it is instead (a git-LFS
 * pointer, a web page).  Returns STATUS_INVALID. */
enum status json_refuse(const char *path, const void *text, size_t size, const json_error_t *where,
                        struct error *err);

/* `where` names the file for the error message. */
enum status json_get_int(const json_t *object, const char *key, int64_t min, int64_t max,
                         int64_t *out, const char *where, struct error *err);
enum status json_get_double(const json_t *object, const char *key, double *out, const char *where,
                            struct error *err); /* finite */
enum status json_get_bool(const json_t *object, const char *key, bool *out, const char *where,
                          struct error *err);

/* A seed as JSON: a number, and a string of digits where it is over 2^53, which readers whose
 * numbers are doubles would round. */
json_t *json_seed(uint64_t seed);

#endif
