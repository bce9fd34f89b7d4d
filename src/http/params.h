/*
 * params.h - the parameters of a header's value: `; name="a"; filename=b` (RFC 9110, 5.6.6).
 */
#ifndef HTTP_PARAMS_H
#define HTTP_PARAMS_H

#include <stddef.h>

enum { PARAMS_MAX_VALUE = 1024 };

/* The characters of a token. */
#define PARAMS_TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum params_answer {
    PARAMS_FOUND,
    PARAMS_MISSING,
    PARAMS_MALFORMED /* somewhere in the whole list; or the parameter twice, or too long, or with
                        control characters */
};

/* Reads the list, which starts at its first ';' or blank and ends with the string, and copies the
 * value of the parameter `name` (in any case), unquoted, into out[size].  In a quoted value \" and
 * \\ stand for the character; any other backslash stands for itself, as browsers have it. */
enum params_answer params_get(const char *list, const char *name, char *out, size_t size);

#endif
