/*
 * token_ids.h - a list of token ids that grows.
 *
 * A zeroed struct is an empty list.  Whoever holds it frees it.
 */
#ifndef TEXT_TOKEN_IDS_H
#define TEXT_TOKEN_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

struct token_ids {
    int32_t *ids; /* [count]; NULL while empty */
    size_t count, capacity;
};

/* Appends `id` `times` times.  STATUS_NO_MEMORY leaves the list as it was. */
enum status token_ids_push(struct token_ids *list, int32_t id, size_t times, struct error *err);

void token_ids_free(struct token_ids *list); /* leaves it empty; NULL is fine */

#endif
