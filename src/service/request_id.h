/*
 * request_id.h - the name under which a request is found again in the log.
 */
#ifndef SERVICE_REQUEST_ID_H
#define SERVICE_REQUEST_ID_H

#include <stdbool.h>
#include <stdint.h>

enum { REQUEST_ID_MAX = 128 };

/* Whether a client's own id may be used: 1 to 128 of A-Za-z0-9._- ; NULL is not sane. */
bool request_id_is_sane(const char *id);

/* The client's own where it is sane, else 32 random hexadecimal digits. */
void request_id_choose(char out[REQUEST_ID_MAX + 1], const char *own);

/* 64 bits from the operating system's generator. */
uint64_t random_bits(void);

#endif
