/*
 * form.h - the values of form fields, read strictly.
 *
 * A number is all of the field: no blanks around it, no leading '+', no hexadecimal, no "nan" or
 * "inf", nothing after it.  Leading zeros are harmless and allowed.  The decimal sign is '.',
 * whatever the locale.  Nothing here allocates.
 */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only, at most `most`.  False: *out is as it was. */
bool form_unsigned(const char *text, size_t size, uint64_t most, uint64_t *out);

/* [-]digits[.digits][e[+-]digits], where one side of the point may be empty; at most 64 characters.
 * Values too large for a double are refused, values too small become 0. */
bool form_number(const char *text, size_t size, double *out);

/* Whether the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms) without a NUL. */
bool form_is_text(const char *text, size_t size);

/* Whether the text, which is UTF-8, has nothing but white space and control characters in it. */
bool form_is_blank(const char *text, size_t size);

#endif
